//! The shop as a table: which services there are, what they answer, and what they do for it. Adding
//! a service is adding an entry. How steps are done is said elsewhere.

use http::Method;

/// How an operation is asked for. Unlike HTTP's type it can stand in a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verb {
    Get,
    Post,
}

impl Verb {
    /// Returns it as HTTP has it.
    pub(crate) fn method(self) -> Method {
        match self {
            Self::Get => Method::GET,
            Self::Post => Method::POST,
        }
    }
}

/// A service of the shop.
#[derive(Debug)]
pub(crate) struct ShopService {
    pub(crate) name: &'static str,
    pub(crate) operations: &'static [Operation],
    /// What it does with each message that is sent to it.
    pub(crate) messages: Option<&'static [Step]>,
}

/// What a service answers. A path has exactly the one part `{book}`, which is handed on.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) verb: Verb,
    pub(crate) path: &'static str,
    pub(crate) steps: &'static [Step],
}

/// What is done, one after the other.
#[derive(Debug)]
pub(crate) enum Step {
    /// Thinks for so long.
    Work { ms: u32 },
    /// Asks a store, which is imitated by a span of a client.
    Ask(Question),
    /// Calls another service.
    Call(ShopCall),
    /// Does these at the same time.
    Together(&'static [Step]),
    /// Sends a message to another service by way of a queue.
    Send { to: &'static str },
}

/// What a store is asked.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) store: &'static str,
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    pub(crate) ms: u32,
}

/// A call of an operation in this table.
#[derive(Debug)]
pub(crate) struct ShopCall {
    pub(crate) service: &'static str,
    pub(crate) verb: Verb,
    pub(crate) path: &'static str,
    /// Whether the caller does without an answer.
    pub(crate) spare: bool,
}

const fn answers(verb: Verb, path: &'static str, steps: &'static [Step]) -> Operation {
    Operation { verb, path, steps }
}

const fn redis(name: &'static str, text: &'static str, ms: u32) -> Step {
    ask("redis", name, text, ms)
}

const fn mysql(name: &'static str, text: &'static str, ms: u32) -> Step {
    ask("mysql", name, text, ms)
}

const fn ask(store: &'static str, name: &'static str, text: &'static str, ms: u32) -> Step {
    Step::Ask(Question {
        store,
        name,
        text,
        ms,
    })
}

const fn call(service: &'static str, verb: Verb, path: &'static str) -> Step {
    Step::Call(ShopCall {
        service,
        verb,
        path,
        spare: false,
    })
}

const fn call_if_well(service: &'static str, verb: Verb, path: &'static str) -> Step {
    Step::Call(ShopCall {
        service,
        verb,
        path,
        spare: true,
    })
}

/// Who calls whom.
pub(crate) static SHOP: [ShopService; 10] = [
    ShopService {
        name: "storefront",
        operations: &[
            answers(
                Verb::Get,
                "/browse/{book}",
                &[
                    redis("get", "GET session:{id}", 1),
                    Step::Together(&[
                        call("catalog", Verb::Get, "/books/{book}"),
                        call("price", Verb::Get, "/prices/{book}"),
                        call_if_well("stock", Verb::Get, "/stock/{book}"),
                    ]),
                    Step::Work { ms: 3 },
                ],
            ),
            answers(
                Verb::Post,
                "/buy/{book}",
                &[
                    redis("get", "GET session:{id}", 1),
                    call("cart", Verb::Post, "/carts/{book}"),
                    call("orders", Verb::Post, "/orders/{book}"),
                    Step::Work { ms: 2 },
                ],
            ),
        ],
        messages: None,
    },
    ShopService {
        name: "catalog",
        operations: &[answers(
            Verb::Get,
            "/books/{book}",
            &[
                redis("get", "GET book:{id}", 1),
                mysql("select", "select * from book where id = ?", 6),
            ],
        )],
        messages: None,
    },
    ShopService {
        name: "price",
        operations: &[answers(
            Verb::Get,
            "/prices/{book}",
            &[redis("get", "GET price:{id}", 1), Step::Work { ms: 2 }],
        )],
        messages: None,
    },
    ShopService {
        name: "stock",
        operations: &[
            answers(
                Verb::Get,
                "/stock/{book}",
                &[mysql("select", "select n from stock where book = ?", 4)],
            ),
            answers(
                Verb::Post,
                "/reservations/{book}",
                &[mysql(
                    "update",
                    "update stock set n = n - 1 where book = ?",
                    7,
                )],
            ),
        ],
        messages: None,
    },
    ShopService {
        name: "cart",
        operations: &[answers(
            Verb::Post,
            "/carts/{book}",
            &[
                call("price", Verb::Get, "/prices/{book}"),
                redis("hset", "HSET cart:{id}", 1),
            ],
        )],
        messages: None,
    },
    ShopService {
        name: "orders",
        operations: &[answers(
            Verb::Post,
            "/orders/{book}",
            &[
                mysql("insert", "insert into orders values (?, ?, ?)", 6),
                call("stock", Verb::Post, "/reservations/{book}"),
                call("payment", Verb::Post, "/payments/{book}"),
                Step::Send { to: "shipping" },
                mysql("commit", "commit", 8),
            ],
        )],
        messages: None,
    },
    ShopService {
        name: "payment",
        operations: &[answers(
            Verb::Post,
            "/payments/{book}",
            &[
                call("fraud", Verb::Get, "/checks/{book}"),
                Step::Work { ms: 15 },
                mysql("insert", "insert into payment values (?, ?)", 5),
            ],
        )],
        messages: None,
    },
    ShopService {
        name: "fraud",
        operations: &[answers(
            Verb::Get,
            "/checks/{book}",
            &[redis("incr", "INCR tries:{id}", 1), Step::Work { ms: 8 }],
        )],
        messages: None,
    },
    ShopService {
        name: "shipping",
        operations: &[],
        messages: Some(&[
            mysql("insert", "insert into parcel values (?, ?)", 5),
            Step::Work { ms: 10 },
            Step::Send { to: "mail" },
        ]),
    },
    ShopService {
        name: "mail",
        operations: &[],
        messages: Some(&[
            redis("get", "GET template:shipped", 1),
            Step::Work { ms: 12 },
        ]),
    },
];

/// Returns the service of this name.
pub(crate) fn find(name: &str) -> Option<&'static ShopService> {
    SHOP.iter().find(|service| service.name == name)
}

impl ShopService {
    /// Returns all it does, in whatever order.
    pub(crate) fn steps(&self) -> Vec<&'static Step> {
        let operations = self.operations.iter().map(|operation| operation.steps);
        let mut lists: Vec<&'static [Step]> = operations.chain(self.messages).collect();
        let mut steps = Vec::new();
        while let Some(list) = lists.pop() {
            for step in list {
                steps.push(step);
                if let Step::Together(inner) = step {
                    lists.push(inner);
                }
            }
        }
        steps
    }

    /// Returns the services that it calls.
    pub(crate) fn called(&self) -> impl Iterator<Item = &'static str> {
        self.steps().into_iter().filter_map(|step| match step {
            Step::Call(call) => Some(call.service),
            _ => None,
        })
    }

    /// Returns the services that it sends messages to.
    pub(crate) fn sent_to(&self) -> impl Iterator<Item = &'static str> {
        self.steps().into_iter().filter_map(|step| match step {
            Step::Send { to } => Some(*to),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_called_answers_and_whoever_is_sent_to_listens() {
        for service in &SHOP {
            for step in service.steps() {
                match step {
                    Step::Call(call) => {
                        let called = find(call.service).unwrap();
                        let answers = |o: &Operation| o.verb == call.verb && o.path == call.path;
                        assert!(called.operations.iter().any(answers), "{call:?}");
                    }
                    Step::Send { to } => assert!(find(to).unwrap().messages.is_some(), "{to}"),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn every_path_has_a_book_and_no_other_part() {
        for operation in SHOP.iter().flat_map(|service| service.operations) {
            let path = operation.path;
            assert!(path.contains("/{book}"), "{path}");
            assert_eq!(path.matches('{').count(), 1, "{path}");
        }
    }

    #[test]
    fn nobody_calls_in_a_circle_and_names_are_unique() {
        fn depth(service: &ShopService, above: usize) -> usize {
            assert!(above <= SHOP.len(), "{} is in a circle", service.name);
            let others = service.called().chain(service.sent_to());
            let depths = others.map(|name| depth(find(name).unwrap(), above + 1));
            depths.max().unwrap_or(above)
        }
        for service in &SHOP {
            depth(service, 0);
            let same = SHOP.iter().filter(|other| other.name == service.name);
            assert_eq!(same.count(), 1);
        }
        assert_eq!(depth(find("storefront").unwrap(), 0), 3);
    }
}
