//! Writers of the protocol's primitives.

/// Appends primitives to a packet's body.
#[derive(Default)]
pub(super) struct Body(Vec<u8>);

impl Body {
    pub(super) fn u8(mut self, value: u8) -> Body {
        self.0.push(value);
        self
    }

    pub(super) fn u16(self, value: u16) -> Body {
        self.raw(&value.to_be_bytes())
    }

    pub(super) fn u32(self, value: u32) -> Body {
        self.raw(&value.to_be_bytes())
    }

    /// A string or binary field: two bytes of length, then the bytes.
    pub(super) fn field(self, bytes: impl AsRef<[u8]>) -> Body {
        let bytes = bytes.as_ref();
        let length = u16::try_from(bytes.len()).expect("fields of the cases are short");
        self.u16(length).raw(bytes)
    }

    pub(super) fn raw(mut self, bytes: &[u8]) -> Body {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A property block with its length in front. MQTT 3.1.1 has none.
    pub(super) fn properties(self, version: super::Version, properties: Body) -> Body {
        match version {
            super::Version::V311 => self,
            super::Version::V5 => {
                let length = variable_byte_integer(properties.0.len());
                self.raw(&length).raw(&properties.0)
            }
        }
    }

    /// The whole packet, with the fixed header in front.
    pub(super) fn packet(self, first_byte: u8) -> Vec<u8> {
        let mut packet = vec![first_byte];
        packet.extend(variable_byte_integer(self.0.len()));
        packet.extend(self.0);
        packet
    }
}

fn variable_byte_integer(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}
