//! Closed vocabularies of Google's APIs that may grow: what is not known yet is kept as it was said. Data only.

/// Defines an enum of an API's values. A value that the API has got since is `Other`.
macro_rules! values {
    ($(#[$doc:meta])+ $name:ident { $($(#[doc = $says:literal])+ $variant:ident = $value:literal,)+ }) => {
        $(#[$doc])+
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[doc = $says])+ $variant,)+
            /// A value that this version does not know.
            Other(String),
        }

        impl $name {
            /// Every value that is known.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// As the API spells it.
            pub fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $value,)+
                    $name::Other(value) => value,
                }
            }
        }

        impl From<&str> for $name {
            fn from(value: &str) -> Self {
                match value {
                    $($value => $name::$variant,)+
                    other => $name::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Ok($name::from(&*value))
            }
        }
    };
}

pub(super) use values;
