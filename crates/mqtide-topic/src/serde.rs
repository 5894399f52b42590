//! Names and filters as strings in `serde`'s data model; what is read is checked.

use alloc::string::{String, ToString};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{ShareName, SubscriptionFilter, TopicFilter, TopicName};

macro_rules! as_text {
    ($($type:ident),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::try_from(String::deserialize(deserializer)?)
                    .map_err(|error| D::Error::custom(error.to_string()))
            }
        }
    )*};
}

as_text!(TopicName, TopicFilter, ShareName, SubscriptionFilter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_travel_as_strings() {
        let filter: SubscriptionFilter = serde_json::from_str("\"$share/g/a/+\"").unwrap();
        assert_eq!(filter.share_name().unwrap(), "g");
        assert_eq!(serde_json::to_string(&filter).unwrap(), "\"$share/g/a/+\"");
        let name: TopicName = serde_json::from_str("\"a/b\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"a/b\"");
    }

    #[test]
    fn what_is_read_is_checked() {
        let error = serde_json::from_str::<TopicName>("\"a/+\"").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("must not contain the wildcard '+'"),
            "{error}"
        );
        assert!(serde_json::from_str::<TopicFilter>("\"a+\"").is_err());
        assert!(serde_json::from_str::<ShareName>("\"a/b\"").is_err());
    }
}
