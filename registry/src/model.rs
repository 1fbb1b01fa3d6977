//! What is registered: an instance of an application as Eureka's clients describe it. It knows no
//! format and no lease.

use std::fmt;

/// What an instance says of itself, or an operator says of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Status {
    /// Takes no requests for a reason of its own.
    Down,
    /// Taken out of service by an operator.
    OutOfService,
    /// Not ready yet.
    Starting,
    /// Nothing is known; also what "no override" is called.
    #[default]
    Unknown,
    /// Takes requests.
    Up,
}

impl Status {
    /// All, in the order in which Eureka's hash code names them.
    pub const ALL: [Self; 5] = [
        Self::Down,
        Self::OutOfService,
        Self::Starting,
        Self::Unknown,
        Self::Up,
    ];

    /// Returns Eureka's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "DOWN",
            Self::OutOfService => "OUT_OF_SERVICE",
            Self::Starting => "STARTING",
            Self::Unknown => "UNKNOWN",
            Self::Up => "UP",
        }
    }

    /// Returns the status that is written so, in any case of letters.
    pub fn parse(word: &str) -> Option<Self> {
        let same = |status: &Self| status.name().eq_ignore_ascii_case(word);
        Self::ALL.into_iter().find(same)
    }

    /// Returns the place in [`Self::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What happened to an instance last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It was registered.
    Added,
    /// Its status was changed.
    Modified,
    /// It is gone.
    Deleted,
}

impl Action {
    /// Returns Eureka's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }

    /// Returns the action that is written so.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Added, Self::Modified, Self::Deleted];
        all.into_iter().find(|action| action.name() == word)
    }
}

/// A port and whether it is to be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Port {
    /// 0 to 65535; wider in the wire's type.
    pub number: u32,
    /// Clients leave a disabled port alone.
    pub enabled: bool,
}

/// Where an instance runs. Java's class stands in JSON and XML, and clients fail without it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataCenter {
    /// The name of Java's class.
    pub class: String,
    /// `MyOwn`, `Amazon` or `Netflix`.
    pub name: Option<String>,
    /// What Amazon says of a machine.
    pub metadata: Vec<(String, String)>,
}

impl DataCenter {
    /// The class of everything that is not Amazon.
    pub const DEFAULT_CLASS: &'static str =
        "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo";

    /// Returns what most clients say.
    pub fn my_own() -> Self {
        Self {
            class: Self::DEFAULT_CLASS.to_owned(),
            name: Some("MyOwn".to_owned()),
            metadata: Vec::new(),
        }
    }

    /// Returns the id by which the data centre knows the machine.
    fn unique_id(&self) -> Option<&str> {
        let is_id = |(key, _): &&(String, String)| key == "instance-id";
        let id = self.metadata.iter().find(is_id).map(|(_, id)| id.as_str());
        id.filter(|id| !id.trim().is_empty())
    }
}

/// Lease times as they are told to clients. Which of them are true is decided by the registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LeaseInfo {
    /// How often the client promises to renew, in seconds.
    pub renewal_interval_s: u32,
    /// How long it may be silent, in seconds.
    pub duration_s: u32,
    /// Milliseconds since the epoch; 0 when unknown, as all that follow.
    pub registered_ms: u64,
    /// When it renewed last.
    pub renewed_ms: u64,
    /// When it was evicted or cancelled.
    pub evicted_ms: u64,
    /// When it was up for the first time.
    pub up_ms: u64,
}

impl Default for LeaseInfo {
    fn default() -> Self {
        Self {
            renewal_interval_s: 30,
            duration_s: 90,
            registered_ms: 0,
            renewed_ms: 0,
            evicted_ms: 0,
            up_ms: 0,
        }
    }
}

/// An instance. Fields that a client may leave out are options; empty texts are kept as sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instance {
    /// Absent from clients older than the field; then another id is used, see [`Self::id`].
    pub instance_id: Option<String>,
    /// The name by which other services reach it.
    pub host_name: Option<String>,
    /// The application's name in upper case.
    pub app: String,
    /// The address by which other services reach it.
    pub ip_addr: Option<String>,
    /// What others see of it, overrides applied.
    pub status: Status,
    /// What an operator set; [`Status::Unknown`] when nothing is.
    pub overridden: Status,
    /// For plain requests.
    pub port: Port,
    /// For TLS.
    pub secure_port: Port,
    /// A relic, always 1.
    pub country_id: i32,
    /// Where it runs; clients must say it.
    pub data_center: Option<DataCenter>,
    /// Times of its lease.
    pub lease: LeaseInfo,
    /// Whatever a client wants others to know, in its order.
    pub metadata: Vec<(String, String)>,
    /// A relic of early versions, `na` nearly always.
    pub sid: Option<String>,
    /// A group of applications.
    pub app_group: Option<String>,
    /// A page for people.
    pub home_page_url: Option<String>,
    /// A page about its state.
    pub status_page_url: Option<String>,
    /// What monitors ask.
    pub health_check_url: Option<String>,
    /// What monitors ask over TLS.
    pub secure_health_check_url: Option<String>,
    /// The names by which clients look it up, separated by commas.
    pub vip: Option<String>,
    /// The same for TLS.
    pub secure_vip: Option<String>,
    /// Whether it is a registry itself.
    pub is_registry: bool,
    /// When the registry changed it, in milliseconds since the epoch.
    pub updated_ms: u64,
    /// When the client changed it, in milliseconds since the epoch. Decides conflicts.
    pub dirty_ms: u64,
    /// What happened to it last.
    pub action: Option<Action>,
    /// The group that Amazon scales.
    pub asg_name: Option<String>,
}

impl Instance {
    /// Returns an instance of an application with nothing else said.
    pub fn new(app: &str) -> Self {
        Self {
            instance_id: None,
            host_name: None,
            app: app.to_uppercase(),
            ip_addr: None,
            status: Status::Up,
            overridden: Status::Unknown,
            port: Port {
                number: 7001,
                enabled: true,
            },
            secure_port: Port {
                number: 7002,
                enabled: false,
            },
            country_id: 1,
            data_center: None,
            lease: LeaseInfo::default(),
            metadata: Vec::new(),
            sid: None,
            app_group: None,
            home_page_url: None,
            status_page_url: None,
            health_check_url: None,
            secure_health_check_url: None,
            vip: None,
            secure_vip: None,
            is_registry: false,
            updated_ms: 0,
            dirty_ms: 0,
            action: None,
            asg_name: None,
        }
    }

    /// Returns what the instance is found by: its own id, the data centre's, or its host name.
    /// Empty when it has none of them.
    pub fn id(&self) -> &str {
        let own = self.instance_id.as_deref();
        own.filter(|id| !id.trim().is_empty())
            .or_else(|| self.data_center.as_ref().and_then(DataCenter::unique_id))
            .or(self.host_name.as_deref())
            .unwrap_or_default()
    }

    /// Returns whether it answers to this virtual name, which is compared exactly.
    pub fn has_vip(&self, name: &str, which: Vip) -> bool {
        let names = match which {
            Vip::Plain => self.vip.as_deref(),
            Vip::Secure => self.secure_vip.as_deref(),
        };
        names.is_some_and(|names| names.split(',').any(|one| one == name))
    }

    /// Returns the bytes of keys and values of the metadata.
    pub fn metadata_bytes(&self) -> usize {
        let sizes = self
            .metadata
            .iter()
            .map(|(key, value)| key.len() + value.len());
        sizes.sum()
    }
}

/// Which of the two virtual names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Vip {
    /// `vipAddress`.
    Plain,
    /// `secureVipAddress`.
    Secure,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_statuses_is_that_of_their_words() {
        let words = Status::ALL.map(Status::name);
        assert!(words.is_sorted());
        for (index, status) in Status::ALL.into_iter().enumerate() {
            assert_eq!(status.index(), index);
            assert_eq!(Status::parse(status.name()), Some(status));
        }
        assert_eq!(Status::parse("up"), Some(Status::Up));
        assert_eq!(Status::parse("WEIRD"), None);
    }

    #[test]
    fn an_id_falls_back_to_the_machine_and_then_to_the_host() {
        let mut instance = Instance::new("shop");
        assert_eq!((instance.id(), instance.app.as_str()), ("", "SHOP"));
        instance.host_name = Some("host".into());
        assert_eq!(instance.id(), "host");
        let mut amazon = DataCenter::my_own();
        amazon.metadata = vec![("instance-id".into(), "i-1".into())];
        instance.data_center = Some(amazon);
        assert_eq!(instance.id(), "i-1");
        instance.instance_id = Some(" ".into());
        assert_eq!(instance.id(), "i-1");
        instance.instance_id = Some("own".into());
        assert_eq!(instance.id(), "own");
    }

    #[test]
    fn virtual_names_are_a_list_compared_exactly() {
        let mut instance = Instance::new("shop");
        instance.vip = Some("a,shop".into());
        assert!(instance.has_vip("shop", Vip::Plain));
        assert!(!instance.has_vip("SHOP", Vip::Plain));
        assert!(!instance.has_vip("shop", Vip::Secure));
        assert!(!instance.has_vip("a,shop", Vip::Plain));
    }
}
