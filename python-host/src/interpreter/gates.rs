//! One gate for each GIL that several request threads want (decisions.md, "As few threads contend for the GIL as
//! keep it busy"): that of the main interpreter, which
//! sub-interpreters share unless they have their own.

use super::create::{has_own_gil, may_have_own_gils};
use crate::host::Host;
use crate::scheduler::gate::Gate;
use std::sync::{PoisonError, RwLock};

/// Gates of interpreters by application group.
type OwnGates = Vec<(Box<[u8]>, &'static Gate)>;

/// See the module's comment.
#[derive(Debug)]
pub struct GateRegistry {
    host: &'static Host,
    shared: Gate,
    own: Option<RwLock<OwnGates>>,
}

impl GateRegistry {
    /// For the request threads of this process; `None` if there is one only.
    pub fn new(host: &'static Host) -> Option<Self> {
        let own = may_have_own_gils(host).then(RwLock::default);
        let shared = Gate::default();
        (host.launch().threads > 1).then_some(Self { host, shared, own })
    }

    /// The gate before the GIL that a request of an application group is going to take.
    pub fn of(&'static self, group: &[u8]) -> &'static Gate {
        let Some(own) = &self.own else { return &self.shared };
        if !has_own_gil(self.host, group) {
            return &self.shared;
        }
        let find = |list: &OwnGates| list.iter().find(|(name, _)| **name == *group).map(|(_, gate)| *gate);
        // Each change to the list is one push.
        if let Some(gate) = find(&own.read().unwrap_or_else(PoisonError::into_inner)) {
            return gate;
        }
        let mut list = own.write().unwrap_or_else(PoisonError::into_inner);
        find(&list).unwrap_or_else(|| {
            // Lives as long as the interpreter, which lives as long as the process.
            let gate: &'static Gate = Box::leak(Box::new(Gate::default()));
            list.push((group.into(), gate));
            gate
        })
    }

    /// From now on nobody waits.
    pub fn open(&self) {
        self.shared.open();
        if let Some(own) = &self.own {
            own.read().unwrap_or_else(PoisonError::into_inner).iter().for_each(|(_, gate)| gate.open());
        }
    }
}
