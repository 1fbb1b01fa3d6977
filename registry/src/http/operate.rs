//! What operators and their tools ask, and what they do: health, peers, why nothing is evicted,
//! purging, taking out of service.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use super::App;
use super::reply::{self, JSON, Reply};
use crate::book::preserve::Explanation;
use crate::book::recent::Entry;
use crate::book::{Lease, Now, Origin, Override, StatusChange};
use crate::model::Status;
use crate::pages::Chunks;
use crate::peer::{Peer, State};
use crate::snapshot;

/// Expired instances that an explanation lists.
const LISTED_MAX: usize = 200;

/// Answers whether lists are told already, and how it stands.
pub fn health(app: &App) -> Reply {
    let book = app.desk.book();
    let (instances, verdict) = (book.len(), book.explain(app.time.now()).verdict);
    drop(book);
    let peers = app.desk.peers().all();
    let others = peers.iter().filter(|peer| !peer.is_myself());
    let up = others
        .clone()
        .filter(|peer| peer.state() == State::Up)
        .count();
    let is_ready = app.is_ready();
    let body = json!({
        "status": if is_ready { "UP" } else { "DOWN" },
        "registry": {
            "instances": instances,
            "selfPreservation": verdict.name(),
            "peers": others.count(),
            "peersUp": up,
        },
    });
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    reply::with_body(status, JSON, body.to_string())
}

/// Answers what Eureka's servers say of themselves.
pub fn server_status(app: &App) -> Reply {
    let peers = app.desk.peers().all();
    let names = |wanted: fn(&State) -> bool| -> String {
        let found = peers.iter().filter(|peer| wanted(&peer.state()));
        let mut names = String::new();
        for peer in found {
            names.push_str(&peer.place.url.shown());
            names.push(',');
        }
        names
    };
    let now = app.time.now();
    let uptime_min = now.steady_ms.saturating_sub(app.began_ms) / 60_000;
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let body = json!({
        "generalStats": {
            "num-of-cpus": cpus.to_string(),
            "server-uptime": format!("{:02}:{:02}", uptime_min / 60, uptime_min % 60),
        },
        "applicationStats": {
            "registered-replicas": names(|state| *state != State::Myself),
            "available-replicas": names(|state| *state == State::Up),
            "unavailable-replicas": names(|state| matches!(state, State::Down(_) | State::Unknown)),
        },
    });
    reply::with_body(StatusCode::OK, JSON, body.to_string())
}

/// Answers all overrides by id.
pub fn overrides(app: &App) -> Reply {
    let book = app.desk.book();
    let overridden = book
        .leases()
        .filter(|it| it.instance.overridden != Status::Unknown);
    let all: serde_json::Map<String, Value> = overridden
        .map(|it| {
            (
                it.instance.id().to_owned(),
                it.instance.overridden.name().into(),
            )
        })
        .collect();
    drop(book);
    reply::with_body(StatusCode::OK, JSON, Value::from(all).to_string())
}

/// Answers all leases, for registries of ours.
pub fn leases(app: &App) -> Reply {
    let leases = snapshot::leases(&app.desk.book());
    let parts: Vec<Bytes> = snapshot::lines(&leases, app.time.now())
        .map(Bytes::from)
        .collect();
    let bytes = parts.iter().map(|part| part.len() as u64).sum();
    reply::list(JSON, Chunks { parts, bytes }, false)
}

/// Answers why something is or is not evicted.
pub fn explain(app: &App) -> Reply {
    let now = app.time.now();
    let (why, expired) = {
        let book = app.desk.book();
        (book.explain(now), expired(book.leases(), now))
    };
    let listed = expired.iter().map(|lease| {
        let it = &lease.instance;
        json!({
            "app": it.app,
            "id": it.id(),
            "renewalIntervalMs": u64::from(it.lease.renewal_interval_s) * 1000,
            "leaseMs": lease.duration_ms(),
            "silentMs": now.steady_ms.saturating_sub(lease.renewed_ms),
        })
    });
    let listed: Vec<Value> = listed.collect();
    let body = json!({
        "verdict": why.verdict.name(),
        "because": because(&why),
        "instances": why.instances,
        "expired": why.expired,
        "evictedLastMinute": why.evicted,
        "allowedWithoutDoubt": why.allowed,
        "renewalsPerMinuteExpected": why.expected_per_min,
        "renewalsPerMinuteOfTheLiving": why.alive_per_min,
        "share": why.share(),
        "shareMin": why.share_min,
        "renewalsLastMinute": why.renewals_last_min,
        "heldForMs": why.held_for_ms,
        "expiredInstances": listed,
    });
    reply::with_body(StatusCode::OK, JSON, body.to_string())
}

/// Returns leases that ran out, the longest silent first, at most as many as are listed.
pub fn expired<'a>(leases: impl Iterator<Item = &'a Lease>, now: Now) -> Vec<Lease> {
    let mut expired: Vec<Lease> = leases
        .filter(|lease| lease.is_expired(now))
        .cloned()
        .collect();
    expired.sort_by_key(|lease| lease.renewed_ms);
    expired.truncate(LISTED_MAX);
    expired
}

/// Returns the reason in a sentence.
pub fn because(why: &Explanation) -> String {
    use crate::book::preserve::Verdict;
    let Explanation {
        instances,
        expired,
        evicted,
        allowed,
        ..
    } = why;
    let share = why.share() * 100.0;
    let share_min = why.share_min * 100.0;
    match why.verdict {
        Verdict::Quiet => format!("No lease of {instances} instances has run out."),
        Verdict::Off => format!(
            "{expired} leases have run out and are ended: self-preservation is switched off."
        ),
        Verdict::Few => format!(
            "{expired} leases have run out and are ended: together with {evicted} evictions of \
             the last minute these are no more than the {allowed} that may go without doubt."
        ),
        Verdict::EnoughRenewals => format!(
            "{expired} leases have run out and are ended: {share:.0} % of the renewals that \
             clients promised still arrive, and {share_min:.0} % are enough."
        ),
        Verdict::SilentTooLong => format!(
            "{expired} leases have run out and are ended: their clients were silent for a quarter \
             of an hour while others renewed."
        ),
        Verdict::Held => format!(
            "{expired} leases have run out and are held. Together with {evicted} evictions of the \
             last minute they are more than the {allowed} that may go without doubt, and only \
             {share:.0} % of the renewals that clients promised arrive, less than \
             {share_min:.0} %: more likely the network is broken than all those services. They \
             are ended when this is no longer so, when they were silent for a quarter of an hour \
             while others renew, or by hand."
        ),
    }
}

/// Answers how it stands with each peer.
pub fn peers(app: &App) -> Reply {
    let now = app.time.now();
    let all: Vec<Value> = app
        .desk
        .peers()
        .all()
        .iter()
        .map(|peer| shown(peer, now))
        .collect();
    reply::with_body(StatusCode::OK, JSON, json!({ "peers": all }).to_string())
}

fn shown(peer: &Peer, now: Now) -> Value {
    let (state, why) = words(&peer.state());
    let figures = &peer.figures;
    json!({
        "name": peer.name,
        "address": peer.place.address.to_string(),
        "state": state,
        "why": why,
        "lagMs": peer.lag_ms(now),
        "probeUs": figures.probe_us.load(Ordering::Relaxed),
        "waiting": peer.outbox.len(),
        "told": figures.told.load(Ordering::Relaxed),
        "failed": figures.failed.load(Ordering::Relaxed),
        "dropped": peer.outbox.dropped(),
    })
}

/// Returns how it stands with a peer, and why if something is wrong.
pub fn words(state: &State) -> (&'static str, Option<String>) {
    match state {
        State::Unknown => ("not asked yet", None),
        State::Up => ("up", None),
        State::Down(why) => ("down", Some(why.clone())),
        State::Myself => ("this registry", None),
    }
}

/// Answers what happened lately, the newest first.
pub fn recent(app: &App) -> Reply {
    let book = app.desk.book();
    let all: Vec<Value> = book.recent().entries().rev().map(entry).collect();
    drop(book);
    reply::with_body(StatusCode::OK, JSON, json!({ "recent": all }).to_string())
}

/// Returns something that happened as those who watch are told.
pub fn entry(entry: &Entry) -> Value {
    json!({
        "number": entry.number,
        "event": entry.event.name(),
        "at": entry.wall_ms,
        "app": entry.app,
        "id": entry.id,
        "status": entry.status.name(),
    })
}

/// What an operator wants done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Order {
    /// Remove an instance.
    Purge(String, String),
    /// Remove all whose lease ran out.
    PurgeExpired,
    /// Take an instance out of service.
    TakeOut(String, String),
    /// Give it back to its own opinion.
    GiveBack(String, String),
}

/// Does it. Returns whether there was something to do.
pub fn obey(app: &App, order: &Order) -> bool {
    let now = app.time.now();
    let desk = &app.desk;
    let change = |app: &str, id: &str, what| {
        let change = StatusChange {
            what,
            dirty_ms: None,
        };
        desk.change_status((app, id), change, Origin::Client, now)
    };
    tracing::info!(?order, "an operator asks");
    match order {
        Order::Purge(app, id) => desk.purge((app, id), now),
        Order::PurgeExpired => desk.purge_expired(now) > 0,
        Order::TakeOut(app, id) => change(app, id, Override::Set(Status::OutOfService)),
        Order::GiveBack(app, id) => change(app, id, Override::Remove(Status::Up)),
    }
}
