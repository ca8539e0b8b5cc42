//! A connection that carries messages.
//!
//! Works on blocking and on non-blocking sockets; keeps what came or went in part. Does not know
//! when to wait.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

use crate::LARGEST_FRAME;
use crate::bytes::{Reader, Writer};
use crate::message::{FromGovernor, ToGovernor};

/// Why a connection is of no more use.
#[derive(Debug)]
pub enum ChannelError {
    /// The other side closed it.
    Closed,
    /// The other side speaks something else, or another version.
    NotUnderstood,
    /// The socket failed.
    Io(io::Error),
}

impl std::fmt::Display for ChannelError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("the other side closed the connection"),
            Self::NotUnderstood => f.write_str("the other side speaks another version"),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ChannelError {}

/// A connection with its buffers.
#[derive(Debug)]
pub struct Channel {
    socket: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl Channel {
    /// A channel over a connected, non-blocking socket.
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, incoming: Vec::new(), outgoing: Vec::new() })
    }

    /// Sends to the governor, as far as the socket takes it now.
    pub fn tell(&mut self, message: &ToGovernor) -> Result<(), ChannelError> {
        self.push(|writer| message.write(writer))
    }

    /// Sends to whoever connected to the governor.
    pub fn answer(&mut self, message: &FromGovernor) -> Result<(), ChannelError> {
        self.push(|writer| message.write(writer))
    }

    fn push(&mut self, write: impl FnOnce(&mut Writer)) -> Result<(), ChannelError> {
        let mut writer = Writer::default();
        write(&mut writer);
        let length = u32::try_from(writer.0.len()).map_err(|_| ChannelError::NotUnderstood)?;
        self.outgoing.extend(length.to_le_bytes());
        self.outgoing.extend(writer.0);
        self.flush()
    }

    /// Sends what is left of earlier messages.
    pub fn flush(&mut self) -> Result<(), ChannelError> {
        while !self.outgoing.is_empty() {
            match self.socket.write(&self.outgoing) {
                Ok(0) => return Err(ChannelError::Closed),
                Ok(written) => drop(self.outgoing.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(error)),
            }
        }
        // Most connections are silent for long, and there may be a thousand of them.
        self.outgoing = Vec::new();
        Ok(())
    }

    /// Bytes that the socket did not take yet.
    pub fn unsent(&self) -> usize {
        self.outgoing.len()
    }

    /// Takes in what has come. A closed connection is told only after all that came before.
    pub fn receive(&mut self) -> Result<(), ChannelError> {
        let mut buffer = [0_u8; 16 * 1024];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(ChannelError::Closed),
                Ok(count) => {
                    self.incoming.extend(buffer.iter().take(count));
                    if count < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(fault(error)),
            }
        }
    }

    /// The next message for the governor, if one is complete.
    pub fn next_for_governor(&mut self) -> Result<Option<ToGovernor>, ChannelError> {
        self.next(ToGovernor::read)
    }

    /// The next message from the governor, if one is complete.
    pub fn next_from_governor(&mut self) -> Result<Option<FromGovernor>, ChannelError> {
        self.next(FromGovernor::read)
    }

    fn next<T>(
        &mut self,
        read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
    ) -> Result<Option<T>, ChannelError> {
        let Some((head, rest)) = self.incoming.split_first_chunk::<4>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
        if length > LARGEST_FRAME {
            return Err(ChannelError::NotUnderstood);
        }
        let Some(frame) = rest.get(..length) else { return Ok(None) };
        let message = read(&mut Reader(frame)).ok_or(ChannelError::NotUnderstood)?;
        self.incoming.drain(..4 + length);
        if self.incoming.is_empty() {
            self.incoming = Vec::new();
        }
        Ok(Some(message))
    }
}

fn fault(error: io::Error) -> ChannelError {
    match error.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => ChannelError::Closed,
        _ => ChannelError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Channel, Channel) {
        let (one, other) = UnixStream::pair().unwrap();
        (Channel::new(one).unwrap(), Channel::new(other).unwrap())
    }

    #[test]
    fn messages_arrive_in_order_and_then_the_end() {
        let (mut launcher, mut governor) = pair();
        launcher.tell(&ToGovernor::Started { pid: 1 }).unwrap();
        launcher.tell(&ToGovernor::Watch).unwrap();
        drop(launcher);
        governor.receive().unwrap();
        let started = governor.next_for_governor().unwrap();
        assert_eq!(started, Some(ToGovernor::Started { pid: 1 }));
        assert_eq!(governor.next_for_governor().unwrap(), Some(ToGovernor::Watch));
        assert!(matches!(governor.receive(), Err(ChannelError::Closed)));
    }

    #[test]
    fn a_message_in_pieces_is_waited_for() {
        let (one, other) = UnixStream::pair().unwrap();
        let mut governor = Channel::new(other).unwrap();
        let mut socket = one;
        for byte in [5_u32.to_le_bytes().as_slice(), &[2, 9, 0, 0]].concat() {
            socket.write_all(&[byte]).unwrap();
            governor.receive().unwrap();
            assert_eq!(governor.next_for_governor().unwrap(), None);
        }
        socket.write_all(&[0]).unwrap();
        governor.receive().unwrap();
        let message = governor.next_for_governor().unwrap();
        assert_eq!(message, Some(ToGovernor::Started { pid: 9 }));
    }

    #[test]
    fn what_does_not_fit_is_kept_and_sent_later() {
        let (mut launcher, mut governor) = pair();
        let note = FromGovernor::Note("x".repeat(100_000));
        for _ in 0..20 {
            governor.answer(&note).unwrap();
        }
        assert!(governor.unsent() > 0);
        let mut seen = 0;
        while seen < 20 {
            governor.flush().unwrap();
            launcher.receive().unwrap();
            while let Some(message) = launcher.next_from_governor().unwrap() {
                assert_eq!(message, note);
                seen += 1;
            }
        }
    }

    #[test]
    fn an_absurd_length_is_not_believed() {
        let (one, other) = UnixStream::pair().unwrap();
        let mut governor = Channel::new(other).unwrap();
        { one }.write_all(&u32::MAX.to_le_bytes()).unwrap();
        governor.receive().unwrap();
        assert!(matches!(governor.next_for_governor(), Err(ChannelError::NotUnderstood)));
    }
}
