//! Facts about the page's endpoints, over the memory engine.
