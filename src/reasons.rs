//! An error in words, with what it came from. Pure.

/// An error and its sources, from the outermost to the innermost; one that repeats another's words is left out.
pub fn reasons(error: &dyn std::error::Error) -> String {
    std::iter::successors(error.source(), |source| source.source()).fold(error.to_string(), |told, source| {
        let more = source.to_string();
        if told.contains(&more) { told } else { format!("{told}: {more}") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Told {
        #[error("the socket is gone")]
        Socket,
        #[error("not sent")]
        Sent(#[source] Box<Told>),
        #[error("not sent: {0}")]
        Twice(#[source] Box<Told>),
    }

    #[test]
    fn each_source_is_told_once() {
        let socket = || Box::new(Told::Socket);
        assert_eq!(reasons(&Told::Socket), "the socket is gone");
        assert_eq!(reasons(&Told::Sent(socket())), "not sent: the socket is gone");
        assert_eq!(reasons(&Told::Twice(socket())), "not sent: the socket is gone");
        assert_eq!(reasons(&Told::Sent(Box::new(Told::Sent(socket())))), "not sent: the socket is gone");
    }
}
