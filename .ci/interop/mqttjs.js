// One check of MQTT.js against a broker.
// usage: node mqttjs.js CASE URL VERSION TOPIC     (VERSION: 3, 4 or 5)
// Ends with status 0 if the broker did what the case wants.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import mqtt from 'mqtt'

const [check, url, versionText, topic] = process.argv.slice(2)
const version = Number(versionText)
const clients = []

const versionOptions = version === 3 ? { protocolId: 'MQIsdp', protocolVersion: 3 } : { protocolVersion: version }

/** Connects; `connack` and the queue of messages hang on the client. */
async function connect(options = {}) {
  const client = mqtt.connect(url, { ...versionOptions, reconnectPeriod: 0, connectTimeout: 20000, ...options })
  clients.push(client)
  client.received = []
  client.on('message', (name, payload, packet) => client.received.push({ name, payload, packet }))
  client.on('error', (error) => {
    client.failure = error
  })
  const [connack] = await once(client, 'connect')
  client.connack = connack
  return client
}

/** Resumes a session: MQTT 5.0 also says how long to keep it. */
const kept = (clientId) => ({
  clientId,
  clean: false,
  ...(version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {}),
})

async function messages(client, count, seconds = 30) {
  const deadline = Date.now() + seconds * 1000
  while (client.received.length < count) {
    assert(Date.now() < deadline, `${client.received.length} of ${count} messages arrived`)
    await sleep(5)
  }
  return client.received
}

/** Publishes with at most 20 unacknowledged, as MQTT.js does not count by itself. */
async function publishAll(client, payloads, qos) {
  for (let start = 0; start < payloads.length; start += 20) {
    const window = payloads.slice(start, start + 20)
    await Promise.all(window.map((payload) => client.publishAsync(topic, payload, { qos })))
  }
}

const texts = (received) => received.map(({ payload }) => payload.toString())
const numbers = (count) => Array.from({ length: count }, (_, number) => String(number))

const qosCase = (qos) => async () => {
  const [subscriber, publisher] = [await connect(), await connect()]
  const [grant] = await subscriber.subscribeAsync(topic, { qos: 2 })
  assert.equal(grant.qos, 2)
  await publishAll(publisher, numbers(300), qos)
  const received = await messages(subscriber, 300)
  assert.deepEqual(texts(received), numbers(300))
  assert(received.every(({ packet }) => packet.qos === qos && !packet.retain))
}

const largeCase = (size) => async () => {
  const client = await connect()
  await client.subscribeAsync(topic, { qos: 2 })
  for (const qos of [0, 1, 2]) {
    const payload = randomBytes(size)
    await client.publishAsync(topic, payload, { qos })
    const received = await messages(client, qos + 1)
    assert(received[qos].payload.equals(payload))
  }
}

const cases = {
  qos0: qosCase(0),
  qos1: qosCase(1),
  qos2: qosCase(2),
  large1: largeCase(1 << 20),
  large10: largeCase(10 << 20),

  async retained() {
    const publisher = await connect()
    await publisher.publishAsync(topic, 'kept', { qos: 1, retain: true })
    const later = await connect()
    await later.subscribeAsync(topic, { qos: 1 })
    const [{ payload, packet }] = await messages(later, 1)
    assert.equal(payload.toString(), 'kept')
    assert.equal(packet.retain, true)
    await publisher.publishAsync(topic, '', { qos: 1, retain: true })
    const last = await connect()
    await last.subscribeAsync(topic, { qos: 1 })
    await sleep(300)
    assert.equal(last.received.length, 0)
  },

  async will() {
    const watcher = await connect()
    await watcher.subscribeAsync(topic, { qos: 1 })
    const dying = await connect({ will: { topic, payload: Buffer.from('gone'), qos: 1, retain: false } })
    dying.stream.destroy()
    assert.deepEqual(texts(await messages(watcher, 1)), ['gone'])
  },

  async wildcard() {
    const client = await connect()
    await client.subscribeAsync([`${topic}/+/end`, `${topic}/deep/#`], { qos: 1 })
    for (const name of ['one/end', 'one/two/end', 'deep', 'deep/a/b', 'deeper']) {
      await client.publishAsync(`${topic}/${name}`, name, { qos: 1 })
    }
    assert.deepEqual(texts(await messages(client, 3)), ['one/end', 'deep', 'deep/a/b'])
    await client.unsubscribeAsync(`${topic}/deep/#`)
    await client.publishAsync(`${topic}/deep`, 'late', { qos: 1 })
    await sleep(300)
    assert.equal(client.received.length, 3)
  },

  async persistent() {
    const clientId = topic.replaceAll('/', '-')
    const first = await connect(kept(clientId))
    await first.subscribeAsync(topic, { qos: 2 })
    await first.endAsync()
    const publisher = await connect()
    for (const text of numbers(20)) {
      await publisher.publishAsync(topic, text, { qos: 1 + (Number(text) % 2) })
    }
    const resumed = mqtt.connect(url, { ...versionOptions, reconnectPeriod: 0, ...kept(clientId) })
    clients.push(resumed)
    resumed.received = []
    resumed.on('message', (name, payload, packet) => resumed.received.push({ name, payload, packet }))
    const [connack] = await once(resumed, 'connect')
    if (version !== 3) assert.equal(connack.sessionPresent, true)
    const received = texts(await messages(resumed, 20))
    assert.deepEqual(received.toSorted((a, b) => a - b), numbers(20))
    await resumed.endAsync()
  },

  async shared() {
    const members = [await connect(), await connect()]
    for (const member of members) await member.subscribeAsync(`$share/group/${topic}`, { qos: 1 })
    const publisher = await connect()
    for (const text of numbers(100)) await publisher.publishAsync(topic, text, { qos: 1 })
    const deadline = Date.now() + 20000
    const total = () => members.reduce((sum, member) => sum + member.received.length, 0)
    while (total() < 100 && Date.now() < deadline) await sleep(10)
    assert(members.every((member) => member.received.length > 0))
    const all = members.flatMap((member) => texts(member.received))
    assert.deepEqual(all.toSorted((a, b) => a - b), numbers(100))
  },

  async takeover() {
    const clientId = topic.replaceAll('/', '-')
    const first = await connect({ clientId })
    const told = version === 5 ? once(first, 'disconnect') : once(first, 'close')
    await connect({ clientId })
    const [packet] = await told
    if (version === 5) assert.equal(packet.reasonCode, 0x8e)
  },

  async keepalive() {
    const client = await connect({ keepalive: 1 })
    await sleep(3500)
    assert(client.connected)
    await client.subscribeAsync(topic, { qos: 1 })
    await client.publishAsync(topic, 'still here', { qos: 1 })
    await messages(client, 1)
  },

  // MQTT 5.0 only from here.

  async alias() {
    const subscriber = await connect({ properties: { topicAliasMaximum: 10 } })
    const publisher = await connect({ autoAssignTopicAlias: true })
    assert(publisher.connack.properties.topicAliasMaximum > 0)
    await subscriber.subscribeAsync(`${topic}/#`, { qos: 1 })
    const names = numbers(60).map((text) => `${topic}/${Number(text) % 20}`)
    for (const name of names) await publisher.publishAsync(name, 'x', { qos: 1 })
    // MQTT.js resolves aliases that the broker uses towards it.
    assert.deepEqual((await messages(subscriber, 60)).map(({ name }) => name), names)
  },

  async aliasOverMaximum() {
    const publisher = await connect()
    const told = once(publisher, 'disconnect')
    const topicAlias = publisher.connack.properties.topicAliasMaximum + 1
    publisher.options.properties = {}
    publisher._writePacket?.({ cmd: 'publish', topic, payload: 'x', qos: 0, properties: { topicAlias } })
    const [packet] = await told
    assert.equal(packet.reasonCode, 0x94)
  },

  async properties() {
    const client = await connect()
    await client.subscribeAsync(topic, { qos: 1, properties: { subscriptionIdentifier: 42 } })
    const properties = {
      payloadFormatIndicator: true,
      contentType: 'text/plain',
      responseTopic: `${topic}/answer`,
      correlationData: Buffer.from([0, 255, 16]),
      userProperties: { unit: ['kelvin', 'celsius'], place: 'cellar' },
    }
    await client.publishAsync(topic, 'x', { qos: 1, properties })
    const [{ packet }] = await messages(client, 1)
    assert.deepEqual(
      { ...packet.properties, userProperties: { ...packet.properties.userProperties } },
      { ...properties, subscriptionIdentifier: 42 },
    )
  },

  async assignedClientIdentifier() {
    const client = await connect({ clientId: '', clean: true })
    assert(client.connack.properties.assignedClientIdentifier.length > 0)
  },

  async receiveMaximum() {
    const subscriber = await connect({ properties: { receiveMaximum: 5 } })
    await subscriber.subscribeAsync(topic, { qos: 2 })
    const publisher = await connect()
    await publishAll(publisher, numbers(100), 2)
    assert.deepEqual(texts(await messages(subscriber, 100)), numbers(100))
  },
}

try {
  await cases[check]()
} catch (error) {
  console.error(error, ...clients.map((client) => client.failure ?? ''))
  process.exitCode = 1
} finally {
  for (const client of clients) client.end(true)
}
