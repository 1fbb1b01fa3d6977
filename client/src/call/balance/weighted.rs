//! By weight, interleaved: with weights 5, 1 and 1 the first is not called five times in a row.
//! Each turn everyone gains its weight, who has most is called and pays for all.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Balance;
use crate::call::instance::Instance;

/// By [`Place::weight`](crate::call::instance::Place::weight).
#[derive(Debug, Default)]
pub struct Weighted(Mutex<Vec<Account>>);

#[derive(Debug)]
struct Account {
    instance: Arc<Instance>,
    gained: i64,
}

impl Balance for Weighted {
    fn choose(&self, instances: &[&Arc<Instance>], _: Duration) -> Option<usize> {
        let mut accounts = self.0.lock();
        adapt(&mut accounts, instances);
        let mut total = 0;
        for account in accounts.iter_mut() {
            let weight = i64::from(account.instance.place.weight.max(1));
            account.gained += weight;
            total += weight;
        }
        // Of equals the first, so that a turn is the same each time.
        let most = accounts.iter().map(|account| account.gained).max()?;
        let chosen = accounts.iter().position(|account| account.gained == most)?;
        accounts.get_mut(chosen)?.gained -= total;
        Some(chosen)
    }
}

/// Gives newcomers an account and closes those of who is gone.
fn adapt(accounts: &mut Vec<Account>, instances: &[&Arc<Instance>]) {
    let same = accounts.len() == instances.len()
        && accounts
            .iter()
            .zip(instances)
            .all(|(a, i)| Arc::ptr_eq(&a.instance, i));
    if same {
        return;
    }
    let gained = |instance: &Arc<Instance>| {
        let known = accounts.iter().find(|a| Arc::ptr_eq(&a.instance, instance));
        known.map_or(0, |account| account.gained)
    };
    *accounts = instances
        .iter()
        .map(|instance| Account {
            gained: gained(instance),
            instance: Arc::clone(instance),
        })
        .collect();
}
