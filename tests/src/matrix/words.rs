//! Identities, sides and outcomes, as the file calls them.

use tonic::Code;

/// Declares a closed list of words: variants, their names, and the way back.
macro_rules! words {
    ($( #[$meta:meta] )* $name:ident { $( $( #[$doc:meta] )* $variant:ident = $word:literal ),* $(,)? }) => {
        $( #[$meta] )*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $( $( #[$doc] )* $variant ),* }

        impl $name {
            /// All of them, in the order of the file.
            pub const ALL: &'static [Self] = &[ $( Self::$variant ),* ];

            /// The word in the file.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $word ),* }
            }

            /// The way back; `None` for a word that is none.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|known| known.as_str() == word)
            }
        }
    };
}

words! {
    /// Who calls: one column of the file each.
    Identity {
        /// The station's registered dispatch system.
        Adapter = "adapter",
        /// A dispatcher.
        Dispatcher = "dispatcher",
        /// A responder on a unit of the station.
        Responder = "responder",
        /// A duty officer.
        DutyOfficer = "duty_officer",
        /// A supervisor of the station's organisation.
        Supervisor = "supervisor",
        /// The superior of the sides; on a stranger's row a superior of somebody else.
        Superior = "superior",
        /// An auditor.
        Auditor = "auditor",
        /// The administrator of the station's organisation.
        Admin = "admin",
        /// A well signed token without any role.
        NoRole = "no_role",
        /// No token at all.
        Anonymous = "anonymous",
    }
}

words! {
    /// Where the caller's station stands in the case.
    Side {
        /// Answers for the incident now.
        Custodian = "custodian",
        /// Was brought in.
        Counterpart = "counterpart",
        /// Had custody or an offer, and has it no more.
        Former = "former",
        /// Has no part in it and never had.
        Stranger = "stranger",
        /// The method is about no incident.
        None = "-",
    }
}

words! {
    /// What comes of a call.
    Outcome {
        /// It is done.
        Ok = "ok",
        /// Not this person, or not this side.
        PermissionDenied = "permission_denied",
        /// It does not exist for this caller.
        NotFound = "not_found",
        /// Nobody knows who calls.
        Unauthenticated = "unauthenticated",
        /// The right person at the wrong moment.
        FailedPrecondition = "failed_precondition",
    }
}

impl Outcome {
    /// The outcome an answer's code means; `None` for a code no cell may hold.
    #[must_use]
    pub fn of(code: Code) -> Option<Self> {
        match code {
            Code::Ok => Some(Self::Ok),
            Code::PermissionDenied => Some(Self::PermissionDenied),
            Code::NotFound => Some(Self::NotFound),
            Code::Unauthenticated => Some(Self::Unauthenticated),
            Code::FailedPrecondition => Some(Self::FailedPrecondition),
            _ => None,
        }
    }
}
