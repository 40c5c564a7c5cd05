//! The shape of event bytes: a tree of texts, whole numbers, flags, lists and maps, and nothing else.
//!
//! The profile (design page *evidence*, 3) knows no null, no float and no negative number, so the tree has no
//! place for them. `evidence` owns the one writer and the one strict reader of bytes; here every record says
//! once, through [`record!`](crate::record), which fields it has, and both directions follow from that.

use std::borrow::Cow;

/// Largest whole number of the profile, 2^53 − 1: what every JSON reader holds exactly.
pub const INT_MAX: u64 = 9_007_199_254_740_991;

/// Name of a field in a map: `[a-z][a-z0-9_]*`.
pub type Key = Cow<'static, str>;

/// One value of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// Any text; what it may contain is checked by `evidence`.
    Text(String),
    /// 0 to [`INT_MAX`].
    Int(u64),
    /// `true` or `false`; a false flag of a record is left out.
    Flag(bool),
    /// Values in their given order; an empty list of a record is left out.
    List(Vec<Node>),
    /// Named values in any order: the writer sorts, the reader refuses doubles.
    Map(Vec<(Key, Node)>),
}

/// A stored value does not have the shape its record asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("field {path}: expected {expected}")]
pub struct Malformed {
    /// Dotted path of the field, from the event's body.
    pub path: String,
    /// What would have been right.
    pub expected: Cow<'static, str>,
}

impl Malformed {
    /// A complaint about `path`.
    #[must_use]
    pub fn new(path: &str, expected: impl Into<Cow<'static, str>>) -> Self {
        Self { path: path.to_owned(), expected: expected.into() }
    }
}

/// How a value is written; `None` means that the key is left out.
pub trait ToNode {
    /// The tree of this value, or nothing when it does not apply.
    fn to_node(&self) -> Option<Node>;
}

/// How a value is read back.
pub trait FromNode: Sized {
    /// Reads a value that is there.
    ///
    /// # Errors
    /// [`Malformed`] names the path and what was expected.
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed>;

    /// What a missing key means: an error, unless the type says otherwise.
    ///
    /// # Errors
    /// [`Malformed`] when the field is required.
    fn absent(path: &str) -> Result<Self, Malformed> {
        Err(Malformed::new(path, "a value (it is required)"))
    }
}

impl ToNode for String {
    fn to_node(&self) -> Option<Node> {
        Some(Node::Text(self.clone()))
    }
}

impl FromNode for String {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        match node {
            Node::Text(text) => Ok(text),
            Node::Int(_) | Node::Flag(_) | Node::List(_) | Node::Map(_) => Err(Malformed::new(path, "a text")),
        }
    }
}

impl ToNode for u64 {
    fn to_node(&self) -> Option<Node> {
        Some(Node::Int(*self))
    }
}

impl FromNode for u64 {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        match node {
            Node::Int(number) => Ok(number),
            Node::Text(_) | Node::Flag(_) | Node::List(_) | Node::Map(_) => Err(Malformed::new(path, "a whole number")),
        }
    }
}

impl ToNode for bool {
    fn to_node(&self) -> Option<Node> {
        self.then_some(Node::Flag(true))
    }
}

impl FromNode for bool {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        match node {
            // A false flag is written by leaving it out; two spellings of one fact would be two digests.
            Node::Flag(true) => Ok(true),
            Node::Flag(false) | Node::Text(_) | Node::Int(_) | Node::List(_) | Node::Map(_) => {
                Err(Malformed::new(path, "true, or nothing"))
            }
        }
    }

    fn absent(_path: &str) -> Result<Self, Malformed> {
        Ok(false)
    }
}

impl<T: ToNode> ToNode for Option<T> {
    fn to_node(&self) -> Option<Node> {
        self.as_ref().and_then(ToNode::to_node)
    }
}

impl<T: FromNode> FromNode for Option<T> {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        T::from_node(node, path).map(Some)
    }

    fn absent(_path: &str) -> Result<Self, Malformed> {
        Ok(None)
    }
}

impl<T: ToNode> ToNode for Vec<T> {
    fn to_node(&self) -> Option<Node> {
        (!self.is_empty()).then(|| Node::List(self.iter().filter_map(ToNode::to_node).collect()))
    }
}

impl<T: FromNode> FromNode for Vec<T> {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        match node {
            Node::List(items) if !items.is_empty() => {
                items.into_iter().enumerate().map(|(at, item)| T::from_node(item, &format!("{path}.{at}"))).collect()
            }
            Node::List(_) | Node::Text(_) | Node::Int(_) | Node::Flag(_) | Node::Map(_) => {
                Err(Malformed::new(path, "a list with at least one item, or nothing"))
            }
        }
    }

    fn absent(_path: &str) -> Result<Self, Malformed> {
        Ok(Self::new())
    }
}

/// Takes the fields of one map, one after the other, and complains about what is left over.
#[derive(Debug)]
pub struct Fields<'a> {
    path: &'a str,
    left: Vec<(Key, Node)>,
}

impl<'a> Fields<'a> {
    /// Opens a map.
    ///
    /// # Errors
    /// [`Malformed`] when the node is no map.
    pub fn open(node: Node, path: &'a str) -> Result<Self, Malformed> {
        match node {
            Node::Map(left) => Ok(Self { path, left }),
            Node::Text(_) | Node::Int(_) | Node::Flag(_) | Node::List(_) => {
                Err(Malformed::new(path, "a group of fields"))
            }
        }
    }

    /// Takes one field.
    ///
    /// # Errors
    /// [`Malformed`] when it is required and missing, or has another shape.
    pub fn take<T: FromNode>(&mut self, key: &str) -> Result<T, Malformed> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        match self.left.iter().position(|(name, _)| name == key) {
            Some(at) => T::from_node(self.left.swap_remove(at).1, &path),
            None => T::absent(&path),
        }
    }

    /// Every field must have been taken: the set of keys is closed for each version and type.
    ///
    /// # Errors
    /// [`Malformed`] names the first field nobody asked for.
    pub fn close(self) -> Result<(), Malformed> {
        match self.left.first() {
            None => Ok(()),
            Some((key, _)) => {
                let path = if self.path.is_empty() { key.to_string() } else { format!("{}.{key}", self.path) };
                Err(Malformed::new(&path, "no such field in this version"))
            }
        }
    }
}

/// Declares a record once: the struct, and how it is written to and read from event bytes.
#[macro_export]
macro_rules! record {
    ($( $(#[$meta:meta])* pub struct $name:ident { $( $(#[$fmeta:meta])* pub $field:ident : $ty:ty ),* $(,)? } )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name { $( $(#[$fmeta])* pub $field: $ty ),* }

        impl $crate::node::ToNode for $name {
            fn to_node(&self) -> Option<$crate::node::Node> {
                #[allow(unused_mut, clippy::allow_attributes, reason = "a record may have no fields")]
                let mut fields = Vec::new();
                $( if let Some(node) = $crate::node::ToNode::to_node(&self.$field) {
                    fields.push((std::borrow::Cow::Borrowed(stringify!($field)), node));
                } )*
                Some($crate::node::Node::Map(fields))
            }
        }

        impl $crate::node::FromNode for $name {
            fn from_node(node: $crate::node::Node, path: &str) -> Result<Self, $crate::node::Malformed> {
                #[allow(unused_mut, clippy::allow_attributes, reason = "a record may have no fields")]
                let mut fields = $crate::node::Fields::open(node, path)?;
                let record = Self { $( $field: fields.take(stringify!($field))? ),* };
                fields.close()?;
                Ok(record)
            }
        }
    )* };
}

/// Declares a closed list of words: the enum, its texts, and both directions of event bytes.
#[macro_export]
macro_rules! words {
    ($( $(#[$meta:meta])* pub enum $name:ident { $( $(#[$vmeta:meta])* $variant:ident = $text:literal ),* $(,)? } )*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $(#[$vmeta])* $variant ),* }

        impl $name {
            /// Every word of the list, in its order.
            pub const ALL: &'static [Self] = &[ $( Self::$variant ),* ];

            /// The word as it stands in events and on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text ),* }
            }

            /// The word a text means, if it is one of the list.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $( $text => Some(Self::$variant), )* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }

        impl $crate::node::ToNode for $name {
            fn to_node(&self) -> Option<$crate::node::Node> {
                Some($crate::node::Node::Text(self.as_str().to_owned()))
            }
        }

        impl $crate::node::FromNode for $name {
            fn from_node(node: $crate::node::Node, path: &str) -> Result<Self, $crate::node::Malformed> {
                let text = <String as $crate::node::FromNode>::from_node(node, path)?;
                Self::parse(&text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|word| word.as_str()).collect();
                    $crate::node::Malformed::new(path, format!("one of {}", known.join(", ")))
                })
            }
        }
    )* };
}
