//! stub. Does not know.
