//! The pages behind the first: one instance, a question before something is done, why leases are
//! held, what happened lately.

use super::home;
use super::html::{Html, about, moment, span};
use super::whole;
use crate::book::recent::Entry;
use crate::book::{Lease, Now};
use crate::codec::{self, Encoding, Format, Shape};
use crate::http::path::Query;
use crate::http::{App, operate};
use crate::model::Status;

/// Returns the page about one instance.
pub(super) fn instance(app: &App, query: &Query) -> Option<String> {
    let now = app.time.now();
    let (name, id) = (query.get("app")?, query.get("id")?);
    let lease = app.desk.book().lease(name, id)?.clone();
    let it = &lease.instance;
    let mut html = Html::default();
    html.element("<h1 class=\"long\">", it.id(), "</h1><p>");
    html.badge(it.status);
    html.raw(" ");
    home::lease_text(&mut html, &lease, now);
    html.raw("</p><dl class=\"facts\">");
    html.fact("Application", &it.app);
    html.fact("Lease", &span(lease.duration_ms()));
    html.fact(
        "Promised to renew every",
        &span(u64::from(it.lease.renewal_interval_s) * 1000),
    );
    html.fact("Registered (UTC)", &moment(it.lease.registered_ms));
    let override_ = match it.overridden {
        Status::Unknown => "none",
        status => status.name(),
    };
    html.fact("Set by hand", override_);
    html.raw("</dl><p>");
    for (name, url) in [
        ("Home page", &it.home_page_url),
        ("Status", &it.status_page_url),
        ("Health", &it.health_check_url),
    ] {
        if let Some(url) = url {
            html.outward(url, name);
            html.raw(" ");
        }
    }
    html.raw("</p>");
    if !app.settings.read_only {
        html.raw("<p class=\"actions\">");
        home::actions(&mut html, &lease);
        html.raw("</p>");
    }
    let mut json = String::new();
    let encoding = Encoding::new(Format::Xml, Shape::Full);
    codec::write_instance(&mut json, encoding, &lease.fresh());
    html.element("<h2>As clients see it</h2><pre>", &json, "</pre>");
    Some(whole(it.id(), false, &html))
}

/// Returns the question before something is done.
pub(super) fn confirm(app: &App, query: &Query) -> Option<String> {
    if app.settings.read_only {
        return None;
    }
    let order = query.get("do")?;
    let (question, word, consequence) = match order {
        "purge" => (
            "Remove this instance from the list?",
            "Purge",
            "Callers no longer find it. If it lives, its next heartbeat registers it again.",
        ),
        "take-out" => (
            "Take this instance out of service?",
            "Take out of service",
            "Callers no longer choose it. It goes on renewing, and stays out until it is given \
             back.",
        ),
        "give-back" => (
            "Give this instance back?",
            "Give back",
            "Callers may choose it again.",
        ),
        "purge-expired" => (
            "Remove all instances whose lease ran out?",
            "Purge them",
            "Those that live register again with their next heartbeat.",
        ),
        _ => return None,
    };
    let mut html = Html::default();
    html.element("<h1>", question, "</h1>");
    let whom = query.get("app").zip(query.get("id"));
    if let Some((name, id)) = whom {
        html.element("<p class=\"long\"><b>", name, "</b> ");
        html.text(id);
        html.raw("</p>");
    }
    html.element("<p>", consequence, "</p><form method=\"post\" action=\"");
    html.text(&format!("/speargun/{order}"));
    html.raw("\"><input type=\"hidden\" name=\"page\" value=\"1\">");
    if let Some((name, id)) = whom {
        html.raw("<input type=\"hidden\" name=\"app\" value=\"");
        html.text(name);
        html.raw("\"><input type=\"hidden\" name=\"id\" value=\"");
        html.text(id);
        html.raw("\">");
    }
    html.element("<button class=\"danger\">", word, "</button> ");
    html.raw("<a class=\"button\" href=\"/\">Leave it</a></form>");
    Some(whole(question, false, &html))
}

/// Returns the page that says why leases are held or not.
pub(super) fn explain(app: &App) -> String {
    let now = app.time.now();
    let (why, expired) = {
        let book = app.desk.book();
        (book.explain(now), operate::expired(book.leases(), now))
    };
    let mut html = Html::default();
    html.element(
        "<h1>Self-preservation</h1><p class=\"banner\">",
        &operate::because(&why),
        "</p>",
    );
    html.raw("<dl class=\"facts\">");
    html.fact("Instances", &why.instances.to_string());
    html.fact("Leases that ran out", &why.expired.to_string());
    html.fact("Evicted in the last minute", &why.evicted.to_string());
    html.fact("May go without doubt", &why.allowed.to_string());
    html.fact(
        "Renewals a minute, promised",
        &format!("{:.0}", why.expected_per_min),
    );
    html.fact("Of the living", &format!("{:.0}", why.alive_per_min));
    html.fact(
        "Share that arrives",
        &format!("{:.0} %", why.share() * 100.0),
    );
    html.fact(
        "Share that is enough",
        &format!("{:.0} %", why.share_min * 100.0),
    );
    let held = why.held_for_ms.map_or_else(|| "no".to_owned(), span);
    html.fact("Held for", &held);
    html.raw("</dl>");
    html.raw(
        "<p>When many leases run out at once, more likely the network between clients and this \
         registry is broken than all those services, and a list with dead entries serves callers \
         better than an empty one. So leases that ran out are held when both are true: they are \
         more than may go without doubt (15 % of the instances, at least one; evictions of the \
         last minute count), and too few of the renewals arrive that clients promised, each by \
         its own interval. After a quarter of an hour of silence while others renewed, the silent \
         ones are believed to be dead. When nobody renews, this registry is cut off itself, and \
         everything is held.</p><h2>Leases that ran out</h2>",
    );
    if expired.is_empty() {
        html.raw("<p class=\"empty\">None.</p>");
    } else {
        if !app.settings.read_only {
            html.raw("<p class=\"actions\">");
            html.link("/confirm?do=purge-expired", "Purge all of them");
            html.raw("</p>");
        }
        silent(&mut html, &expired, now);
    }
    whole("Self-preservation", true, &html)
}

/// Adds the table of leases that ran out.
fn silent(html: &mut Html, expired: &[Lease], now: Now) {
    html.raw("<div class=\"table\"><table><thead><tr><th>Application</th><th>Instance</th>");
    html.raw("<th class=\"number\">Promised every</th><th class=\"number\">Lease</th>");
    html.raw("<th class=\"number\">Silent for</th></tr></thead><tbody>");
    for lease in expired {
        let it = &lease.instance;
        html.element("<tr><td>", &it.app, "</td><td class=\"long\">");
        html.link(&about("/instance?", &it.app, it.id()), it.id());
        html.raw("</td>");
        let silent_ms = now.steady_ms.saturating_sub(lease.renewed_ms);
        for ms in [
            u64::from(it.lease.renewal_interval_s) * 1000,
            lease.duration_ms(),
            silent_ms,
        ] {
            html.element("<td class=\"number\">", &span(ms), "</td>");
        }
        html.raw("</tr>");
    }
    html.raw("</tbody></table></div>");
}

/// Returns the page of what happened lately.
pub(super) fn recent(app: &App) -> String {
    let entries: Vec<Entry> = app.desk.book().recent().entries().rev().cloned().collect();
    let mut html = Html::default();
    html.raw("<h1>Recent changes</h1>");
    if entries.is_empty() {
        html.raw("<p class=\"empty\">Nothing happened yet.</p>");
        return whole("Recent changes", true, &html);
    }
    html.raw("<div class=\"table\"><table><thead><tr><th>When (UTC)</th><th>What</th>");
    html.raw("<th>Application</th><th>Instance</th><th>Status</th></tr></thead><tbody>");
    for entry in &entries {
        html.element("<tr><td>", &moment(entry.wall_ms), "</td>");
        html.element("<td>", entry.event.name(), "</td>");
        html.element("<td>", &entry.app, "</td><td class=\"long\">");
        if entry.event.is_end() {
            html.text(&entry.id);
        } else {
            html.link(&about("/instance?", &entry.app, &entry.id), &entry.id);
        }
        html.raw("</td><td>");
        html.badge(entry.status);
        html.raw("</td></tr>");
    }
    html.raw("</tbody></table></div>");
    whole("Recent changes", true, &html)
}
