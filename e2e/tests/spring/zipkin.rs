//! Group 11: Zipkin's own server, unchanged, at our registry.

use anyhow::{Result, ensure};
use speargun_e2e::Tap;
use speargun_e2e::eureka::{Eureka, wait_until};
use speargun_e2e::zipkin::Zipkin;

/// It registers, renews, and registers again when it was forgotten.
pub(crate) fn registers() -> Result<()> {
    let mut registry = Eureka::start(&["--data", "none"])?;
    let tap = Tap::start(registry.port())?;
    let url = format!("http://127.0.0.1:{}/eureka/v2", tap.port());
    let zipkin = Zipkin::start(
        &["-Xmx256m"],
        &[
            ("EUREKA_SERVICE_URL", &url),
            ("EUREKA_HOSTNAME", "127.0.0.1"),
            ("STORAGE_TYPE", "mem"),
        ],
    )?;
    let statuses = |method: &str| -> Vec<u16> {
        let seen = tap.seen();
        let alike = seen.iter().filter(|it| it.line.starts_with(method));
        alike.map(|it| it.status).collect()
    };
    let is_listed = |registry: &Eureka| -> Result<bool> {
        let listed = registry.listed()?;
        Ok(listed
            .iter()
            .any(|(app, _, status)| app == "ZIPKIN" && status == "UP"))
    };
    wait_until("it is listed", || is_listed(&registry))?;
    // Answers may be noted after the registry lists it.
    wait_until("its registration is answered", || {
        Ok(statuses("POST ") == [204])
    })?;
    wait_until("it renews", || Ok(!statuses("PUT ").is_empty()))?;
    ensure!(statuses("PUT ") == [200], "{:?}", tap.seen());
    registry.kill_and_restart()?;
    wait_until("it is listed again", || is_listed(&registry))?;
    wait_until("its second registration is answered", || {
        Ok(statuses("POST ") == [204, 204])
    })?;
    ensure!(statuses("PUT ").contains(&404), "{:?}", tap.seen());
    drop(zipkin);
    Ok(())
}
