//! The shop whose traffic the workload imitates: twelve services, their operations and what each
//! operation calls. Tables only; [`super::traffic`] walks them.

/// A service of the shop.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) instances: u8,
    /// How long its own work takes, microseconds.
    pub(super) median_us: u64,
    pub(super) version: &'static str,
}

const fn service(
    name: &'static str,
    instances: u8,
    median_us: u64,
    version: &'static str,
) -> Service {
    Service {
        name,
        instances,
        median_us,
        version,
    }
}

/// All services, 39 instances.
pub(super) static SERVICES: [Service; 12] = [
    service("gateway", 4, 900, "2025.9.1"),
    service("storefront", 5, 2500, "7.11.0"),
    service("catalog", 4, 1800, "5.3.2"),
    service("search", 3, 4000, "3.0.14"),
    service("cart", 4, 1200, "4.1.0"),
    service("checkout", 3, 3000, "6.2.8"),
    service("payment", 3, 9000, "9.0.4"),
    service("inventory", 3, 1500, "5.5.1"),
    service("user", 3, 1100, "8.4.2"),
    service("recommendation", 2, 5000, "1.21.0"),
    service("order-processor", 3, 4000, "6.2.8"),
    service("notification", 2, 6000, "2.9.3"),
];

/// What an operation calls.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// Another operation over HTTP: index in [`OPERATIONS`].
    Http(usize),
    /// A statement: index in [`STATEMENTS`].
    Sql(usize),
    /// A cache command: index in [`COMMANDS`].
    Redis(usize),
    /// A message: index in [`OPERATIONS`] of the consumer.
    Message(usize),
    /// The search cluster.
    Elastic,
    /// The payment provider outside.
    Provider,
}

/// An operation a service offers. One without a method consumes messages; its route is the topic.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) service: usize,
    pub(super) method: &'static str,
    pub(super) route: &'static str,
    pub(super) class: &'static str,
    pub(super) function: &'static str,
    /// What it calls and how often, per mille.
    pub(super) calls: &'static [(Call, u32)],
}

use Call::{Elastic, Http, Message, Provider, Redis, Sql};

macro_rules! operations {
    ($($service:literal $method:literal $route:literal $class:literal $function:literal
       [$($call:expr, $often:literal);*])*) => {
        &[$(Operation {
            service: $service,
            method: $method,
            route: $route,
            class: $class,
            function: $function,
            calls: &[$(($call, $often)),*],
        }),*]
    };
}

/// All operations; calls refer to them by place, eight of the gateway's first.
#[rustfmt::skip]
pub(super) static OPERATIONS: &[Operation] = operations![
    /* 0 */ 0 "GET" "/" "StartRoute" "show" [Http(8), 1000]
    /* 1 */ 0 "GET" "/products/{id}" "ItemRoute" "show" [Http(21), 500; Http(9), 1000]
    /* 2 */ 0 "GET" "/search" "FindRoute" "query" [Http(10), 1000]
    /* 3 */ 0 "POST" "/cart/{cartId}/items" "BasketRoute" "put" [Http(21), 1000; Http(15), 1000]
    /* 4 */ 0 "POST" "/checkout" "OrderRoute" "submit" [Http(21), 1000; Http(17), 1000]
    /* 5 */ 0 "GET" "/account" "AccountRoute" "show" [Http(22), 1000]
    /* 6 */ 0 "GET" "/cart/{cartId}" "BasketRoute" "show" [Http(21), 1000; Http(14), 1000]
    /* 7 */ 0 "GET" "/health" "HealthRoute" "show" []
    /* 8 */ 1 "GET" "/home" "shop.storefront.pages.HomePageController" "render"
        [Http(12), 1000; Http(23), 900; Redis(0), 1000; Http(14), 400]
    /* 9 */ 1 "GET" "/pages/product/{id}" "shop.storefront.pages.ItemPageController" "render"
        [Redis(0), 1000; Http(11), 1000; Http(20), 1000; Http(23), 700]
    /* 10 */ 1 "GET" "/pages/search" "shop.storefront.pages.FindPageController" "render"
        [Http(13), 1000; Http(12), 1000; Http(20), 500]
    /* 11 */ 2 "GET" "/api/v1/products/{id}" "shop.catalog.rest.ProductEndpoint" "byId"
        [Redis(1), 1000; Sql(0), 300; Sql(1), 300]
    /* 12 */ 2 "GET" "/api/v1/products" "shop.catalog.rest.ProductEndpoint" "page"
        [Redis(1), 1000; Sql(2), 600]
    /* 13 */ 3 "GET" "/api/v1/search" "shop.search.rest.QueryEndpoint" "run"
        [Elastic, 1000; Redis(2), 500]
    /* 14 */ 4 "GET" "/api/v1/carts/{cartId}" "shop.cart.rest.CartEndpoint" "read" [Redis(3), 1000]
    /* 15 */ 4 "POST" "/api/v1/carts/{cartId}/items" "shop.cart.rest.CartEndpoint" "append"
        [Redis(3), 1000; Http(20), 1000; Http(11), 1000; Redis(4), 1000]
    /* 16 */ 4 "DELETE" "/api/v1/carts/{cartId}" "shop.cart.rest.CartEndpoint" "remove"
        [Redis(4), 1000]
    /* 17 */ 5 "POST" "/api/v1/orders" "shop.checkout.rest.OrderEndpoint" "create"
        [Http(14), 1000; Http(22), 1000; Http(19), 1000; Sql(3), 1000; Sql(4), 1000;
         Http(18), 1000; Sql(5), 1000; Message(24), 1000; Http(16), 1000]
    /* 18 */ 6 "POST" "/api/v1/payments" "shop.payment.rest.PaymentEndpoint" "create"
        [Sql(6), 1000; Provider, 1000; Sql(7), 1000]
    /* 19 */ 7 "POST" "/api/v1/reservations" "shop.inventory.rest.HoldEndpoint" "create"
        [Sql(8), 1000; Sql(9), 1000]
    /* 20 */ 7 "GET" "/api/v1/stock/{sku}" "shop.inventory.rest.StockEndpoint" "read"
        [Redis(5), 1000; Sql(10), 200]
    /* 21 */ 8 "GET" "/api/v1/sessions/current" "shop.user.rest.SessionEndpoint" "read"
        [Redis(6), 1000]
    /* 22 */ 8 "GET" "/api/v1/users/{userId}" "shop.user.rest.ProfileEndpoint" "read"
        [Redis(6), 1000; Sql(11), 500]
    /* 23 */ 9 "GET" "/api/v1/recommendations" "suggest.service" "for_customer"
        [Redis(7), 1000; Http(12), 800]
    /* 24 */ 10 "" "orders.placed" "shop.orders.jobs.PlacedOrderListener" "handle"
        [Sql(12), 1000; Http(20), 500; Message(25), 1000; Sql(5), 1000]
    /* 25 */ 11 "" "notifications.email" "shop.mail.jobs.OutgoingMailListener" "handle"
        [Http(22), 1000; Sql(13), 1000]
];

/// Where customers enter: operation and share, per mille.
pub(super) static ENTRIES: [(usize, u64); 8] = [
    (0, 220),
    (1, 330),
    (2, 150),
    (3, 90),
    (4, 40),
    (5, 50),
    (6, 80),
    (7, 40),
];

/// Statements with the database that runs them.
pub(super) static STATEMENTS: [(Database, &str); 14] = [
    (
        Database::Reads,
        "select id, sku, title, summary, description, price, currency, group_id from item where id = ?",
    ),
    (
        Database::Reads,
        "select path, width, height, place from item_picture where item_id = ? order by place",
    ),
    (
        Database::Reads,
        "select i.id, i.sku, i.title, i.price, i.currency from item i inner join group_item g on g.item_id = i.id where g.group_id = ? limit 24",
    ),
    (
        Database::Orders,
        "insert into purchase (id, customer, state, amount, currency, placed_at) values (?, ?, ?, ?, ?, ?)",
    ),
    (
        Database::Orders,
        "insert into purchase_line (purchase, line, sku, pieces, piece_price) values (?, ?, ?, ?, ?)",
    ),
    (
        Database::Orders,
        "update purchase set state = ?, changed_at = ? where id = ?",
    ),
    (
        Database::Orders,
        "insert into charge (id, purchase, amount, provider, state) values (?, ?, ?, ?, ?)",
    ),
    (
        Database::Orders,
        "update charge set state = ?, provider_key = ? where id = ?",
    ),
    (
        Database::Reads,
        "select sku, available, held from shelf where sku in (?, ?, ?) for update",
    ),
    (
        Database::Reads,
        "update shelf set held = held + ? where sku = ?",
    ),
    (
        Database::Reads,
        "select sku, available - held from shelf where sku = ?",
    ),
    (
        Database::Reads,
        "select c.id, c.mail, c.given_name, c.family_name, h.street, h.town, h.code from customer c left join home h on h.customer = c.id where c.id = ?",
    ),
    (
        Database::Reads,
        "insert into purchase_event (purchase, number, kind, content) values (?, ?, ?, ?)",
    ),
    (
        Database::Reads,
        "insert into mail_queue (id, receiver, form, content, state) values (?, ?, ?, ?, 'NEW')",
    ),
];

/// Which database a statement runs on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Database {
    /// One database: orders and payments.
    Orders,
    /// Another database: everything else.
    Reads,
}

/// Cache commands with what their key is made of.
pub(super) static COMMANDS: [(&str, CacheKey); 8] = [
    ("MGET", CacheKey::Popular("page:fragment")),
    ("GET", CacheKey::Item("product")),
    ("GET", CacheKey::Popular("suggest")),
    ("HGETALL", CacheKey::Cart),
    ("HSET", CacheKey::Cart),
    ("GET", CacheKey::Item("stock")),
    ("GET", CacheKey::Session),
    ("ZREVRANGE", CacheKey::Customer),
];

/// What a cache key names.
#[derive(Clone, Copy, Debug)]
pub(super) enum CacheKey {
    /// One of a few hundred.
    Popular(&'static str),
    /// The item of the trace.
    Item(&'static str),
    /// The cart of the trace.
    Cart,
    /// The customer's session.
    Session,
    /// The customer.
    Customer,
}

/// Pairs of annotations, first and second in time.
pub(super) static ANNOTATIONS: [(&str, &str); 4] = [
    ("ws", "wr"),
    ("cache.miss", "cache.hit"),
    ("retry attempt=2 reason=timeout", "pool.acquired"),
    ("response.first_byte", "circuit breaker half-open"),
];

/// Browsers and apps; `#` stands for a version.
pub(super) static AGENTS: [&str; 6] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/#.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_# like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.4 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/#.1 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:#.0) Gecko/20100101 Firefox/#.0",
    "Mozilla/5.0 (Linux; Android 15; Pixel #) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile Safari/537.36",
    "ShopApp/#.3.1 (shop.mobile.ios; build:2211; iOS 18.4.1) Alamofire/5.8.1",
];

/// Availability zones.
pub(super) static ZONES: [&str; 3] = ["eu-west-1a", "eu-west-1b", "eu-west-1c"];
