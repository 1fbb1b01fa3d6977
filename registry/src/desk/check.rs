//! What an instance must have before it is registered, and how large it may be.

use crate::model::Instance;

/// What one instance may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Bytes of keys and values of its metadata.
    pub metadata_bytes_max: usize,
}

/// Bytes of an id, a name, or another text.
const TEXT_BYTES_MAX: usize = 2048;

/// Why an instance is not registered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// Eureka's own words.
    #[error("{0}")]
    Missing(String),
    /// A text is too long.
    #[error("{field}: {bytes} bytes, at most {bytes_max}")]
    TooLarge {
        /// Which.
        field: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// Nobody new is taken.
    #[error("instances: there are {0}, which is the most")]
    Full(usize),
}

/// Checks what Eureka's servers check, in their order and their words.
pub(super) fn fields(app: &str, it: &Instance) -> Result<(), Unfit> {
    let is_blank = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    let center = it.data_center.as_ref();
    let missing = if it.id().trim().is_empty() {
        "Missing instanceId"
    } else if is_blank(&it.host_name) {
        "Missing hostname"
    } else if is_blank(&it.ip_addr) {
        "Missing ip address"
    } else if it.app.trim().is_empty() {
        "Missing appName"
    } else if app != it.app {
        let text = format!("Mismatched appName, expecting {app} but was {}", it.app);
        return Err(Unfit::Missing(text));
    } else if center.is_none() {
        "Missing dataCenterInfo"
    } else if center.is_some_and(|center| is_blank(&center.name)) {
        "Missing dataCenterInfo Name"
    } else {
        return Ok(());
    };
    Err(Unfit::Missing(missing.to_owned()))
}

/// Checks that nothing of it is too large.
pub(super) fn sizes(it: &Instance, bounds: Bounds) -> Result<(), Unfit> {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let center = it.data_center.as_ref().map_or(0, |center| {
        let sizes = center
            .metadata
            .iter()
            .map(|(key, value)| key.len() + value.len());
        sizes.sum::<usize>() + center.class.len() + optional(&center.name)
    });
    let bytes_max = TEXT_BYTES_MAX;
    for (field, bytes, bytes_max) in [
        ("instanceId", optional(&it.instance_id), bytes_max),
        ("hostName", optional(&it.host_name), bytes_max),
        ("app", it.app.len(), bytes_max),
        ("ipAddr", optional(&it.ip_addr), bytes_max),
        ("sid", optional(&it.sid), bytes_max),
        ("appGroupName", optional(&it.app_group), bytes_max),
        ("homePageUrl", optional(&it.home_page_url), bytes_max),
        ("statusPageUrl", optional(&it.status_page_url), bytes_max),
        ("healthCheckUrl", optional(&it.health_check_url), bytes_max),
        (
            "secureHealthCheckUrl",
            optional(&it.secure_health_check_url),
            bytes_max,
        ),
        ("vipAddress", optional(&it.vip), bytes_max),
        ("secureVipAddress", optional(&it.secure_vip), bytes_max),
        ("asgName", optional(&it.asg_name), bytes_max),
        ("dataCenterInfo", center, bounds.metadata_bytes_max),
        ("metadata", it.metadata_bytes(), bounds.metadata_bytes_max),
    ] {
        if bytes > bytes_max {
            return Err(Unfit::TooLarge {
                field,
                bytes,
                bytes_max,
            });
        }
    }
    Ok(())
}
