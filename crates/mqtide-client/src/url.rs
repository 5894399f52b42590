//! Options as a URL.

use std::borrow::Cow;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use mqtide_codec::Version;

use crate::error::UrlError;
use crate::options::{Credentials, Options};
use crate::transport::Target;

/// Parses `mqtt://[USER[:PASSWORD]@]HOST[:PORT][/][?KEY=VALUE&..]`.
pub(crate) fn parse(text: &str) -> Result<Options, UrlError> {
    let url = Url::parse(text).map_err(|_| UrlError::Malformed)?;
    if url.scheme() != "mqtt" {
        return Err(UrlError::Scheme(url.scheme().to_owned()));
    }
    let mut options = Options::new(host(&url)?).port(url.port().unwrap_or(Target::DEFAULT_PORT));
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(UrlError::Superfluous);
    }
    if let Some(credentials) = credentials(&url)? {
        options = options.credentials(credentials);
    }
    url.query_pairs()
        .try_fold(options, |options, (key, value)| set(options, &key, &value))
}

fn host(url: &Url) -> Result<String, UrlError> {
    match url.host() {
        Some(Host::Domain("")) | None => Err(UrlError::Malformed),
        Some(Host::Domain(name)) => Ok(decode(name)?.into_owned()),
        Some(Host::Ipv4(address)) => Ok(address.to_string()),
        Some(Host::Ipv6(address)) => Ok(address.to_string()),
    }
}

fn credentials(url: &Url) -> Result<Option<Credentials>, UrlError> {
    let user_name = decode(url.username())?.into_owned();
    let password = url
        .password()
        .map(|password| percent_decode_str(password).collect::<Vec<u8>>());
    Ok(match (user_name.is_empty(), password) {
        (true, None) => None,
        (true, Some(password)) => Some(Credentials::password(password)),
        (false, None) => Some(Credentials::user_name(user_name)),
        (false, Some(password)) => Some(Credentials::new(user_name, password)),
    })
}

fn set(options: Options, key: &str, value: &str) -> Result<Options, UrlError> {
    let invalid = || UrlError::Value {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let seconds = || {
        value
            .parse()
            .map(Duration::from_secs)
            .map_err(|_| invalid())
    };
    Ok(match key {
        "client_id" => options.client_identifier(value),
        "keep_alive" => options.keep_alive(seconds()?),
        "clean_start" => options.clean_start(value.parse().map_err(|_| invalid())?),
        "session_expiry" => options.session_expiry(seconds()?),
        "version" => options.version(version(value).ok_or_else(invalid)?),
        _ => return Err(UrlError::Key(key.to_owned())),
    })
}

fn version(text: &str) -> Option<Version> {
    match text {
        "3.1" => Some(Version::V31),
        "3.1.1" => Some(Version::V311),
        "5" | "5.0" => Some(Version::V5),
        _ => None,
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, UrlError> {
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| UrlError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::CredentialsSource;

    fn credentials_of(url: &str) -> Option<Credentials> {
        match parse(url).unwrap().credentials {
            CredentialsSource::Fixed(credentials) => Some(credentials),
            _ => None,
        }
    }

    #[test]
    fn hosts_and_ports() {
        for (url, host, port) in [
            ("mqtt://localhost", "localhost", 1883),
            ("mqtt://127.0.0.1:1884/", "127.0.0.1", 1884),
            ("mqtt://[::1]", "::1", 1883),
            ("mqtt://[fe80::1]:7", "fe80::1", 7),
            ("MQTT://broker.example.com:1", "broker.example.com", 1),
        ] {
            let options = parse(url).unwrap();
            assert_eq!(
                (options.target().host(), options.target().port()),
                (host, port),
                "{url}"
            );
        }
    }

    #[test]
    fn credentials_are_decoded() {
        assert_eq!(credentials_of("mqtt://h"), None);
        assert_eq!(
            credentials_of("mqtt://u@h"),
            Some(Credentials::user_name("u"))
        );
        assert_eq!(
            credentials_of("mqtt://a%40b:p%3A%2F%ff@h"),
            Some(Credentials::new("a@b", &b"p:/\xff"[..]))
        );
        assert_eq!(
            credentials_of("mqtt://:token@h"),
            Some(Credentials::password("token"))
        );
    }

    #[test]
    fn keys_set_options() {
        let url = "mqtt://h/?client_id=press%203&keep_alive=30&clean_start=false&session_expiry=3600&version=3.1.1";
        let options = parse(url).unwrap();
        assert_eq!(options.client_identifier, "press 3");
        assert_eq!(options.keep_alive, Duration::from_secs(30));
        assert_eq!(options.session_expiry, Some(Duration::from_secs(3600)));
        assert_eq!(
            (options.clean_start, options.version),
            (false, Version::V311)
        );
    }

    #[test]
    fn errors_name_the_part() {
        for (url, expected) in [
            ("localhost", UrlError::Malformed),
            ("mqtt://", UrlError::Malformed),
            ("mqtt://:1883", UrlError::Malformed),
            ("mqtt://h:99999", UrlError::Malformed),
            ("mqtt://[::1", UrlError::Malformed),
            ("mqtt://%ff@h", UrlError::Malformed),
            ("localhost:1883", UrlError::Scheme("localhost".into())),
            ("mqtts://h", UrlError::Scheme("mqtts".into())),
            ("mqtt://h/topic", UrlError::Superfluous),
            ("mqtt://h/#f", UrlError::Superfluous),
            ("mqtt://h?qos=1", UrlError::Key("qos".into())),
            (
                "mqtt://h?version=4",
                UrlError::Value {
                    key: "version".into(),
                    value: "4".into(),
                },
            ),
            (
                "mqtt://h?keep_alive=-1",
                UrlError::Value {
                    key: "keep_alive".into(),
                    value: "-1".into(),
                },
            ),
        ] {
            assert_eq!(parse(url).unwrap_err(), expected, "{url}");
        }
    }
}
