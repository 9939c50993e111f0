//! A DNS server of our own (UDP and TCP, RFC 1035) with an answer of our choice for each name: records, an error code,
//! garbage, a truncated answer, or silence.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::AbortHandle;

use super::STAGE;

/// What the server answers about a name. A name that it does not know does not exist.
#[derive(Clone)]
pub enum Answer {
    /// These records; with none of the type asked for, NODATA.
    Records(Vec<RData>),
    /// No record, and this code.
    Code(ResponseCode),
    /// Bytes that are no DNS message, but for the number of the question.
    Garbage,
    /// Over UDP an empty answer that is marked as truncated, over TCP these records.
    Truncated(Vec<RData>),
    /// Truncated over UDP, and silent over TCP.
    TruncatedThenSilent,
    /// Nothing.
    Silence,
    /// Nothing to the first question, these records from the second on.
    SecondTime(Vec<RData>),
}

/// The records of addresses.
pub fn addresses(addresses: &[IpAddr]) -> Answer {
    let record = |address: &IpAddr| match *address {
        IpAddr::V4(ip) => RData::A(ip.into()),
        IpAddr::V6(ip) => RData::AAAA(ip.into()),
    };
    Answer::Records(addresses.iter().map(record).collect())
}

/// A running server; gone when dropped.
pub struct Dns {
    address: SocketAddr,
    questions: Arc<AtomicUsize>,
    tasks: [AbortHandle; 2],
}

struct Zone {
    answers: HashMap<Name, Answer>,
    questions: Arc<AtomicUsize>,
}

impl Dns {
    /// Serves these names (with a final dot) on a free port of 127.0.0.1.
    pub fn serve(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> Dns {
        let answers = answers.into_iter().map(|(name, answer)| (Name::from_ascii(name).expect("a name"), answer));
        let questions = Arc::new(AtomicUsize::new(0));
        let zone = Arc::new(Zone { answers: answers.collect(), questions: questions.clone() });
        let (udp, tcp) = STAGE.block_on(sockets());
        let address = udp.local_addr().expect("its address");
        let tasks = [
            STAGE.spawn(serve_udp(udp, zone.clone())).abort_handle(),
            STAGE.spawn(serve_tcp(tcp, zone)).abort_handle(),
        ];
        Dns { address, questions, tasks }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many questions it was asked.
    pub fn questions(&self) -> usize {
        self.questions.load(Ordering::Relaxed)
    }
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Two sockets with the same port.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("its address")).await {
            return (udp, tcp);
        }
    }
}

async fn serve_udp(socket: UdpSocket, zone: Arc<Zone>) {
    let mut buffer = vec![0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        if let Some(answer) = zone.answer(&buffer[..length], true) {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Zone>) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve_stream(stream, zone.clone()));
    }
}

/// Messages over TCP have their length before them (RFC 1035, section 4.2.2).
async fn serve_stream(mut stream: TcpStream, zone: Arc<Zone>) -> std::io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut question = vec![0; length.into()];
        stream.read_exact(&mut question).await?;
        if let Some(answer) = zone.answer(&question, false) {
            stream.write_u16(answer.len() as u16).await?;
            stream.write_all(&answer).await?;
        }
    }
}

impl Zone {
    fn answer(&self, bytes: &[u8], udp: bool) -> Option<Vec<u8>> {
        let question = Message::from_vec(bytes).expect("a question");
        let query = question.queries.first().expect("a question");
        let (name, wanted) = (query.name().to_lowercase(), query.query_type());
        let before = self.questions.fetch_add(1, Ordering::Relaxed);
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_desired = true;
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        match self.answers.get(&name) {
            None => answer.metadata.response_code = ResponseCode::NXDomain,
            Some(Answer::Code(code)) => answer.metadata.response_code = *code,
            Some(Answer::Records(records)) => add(&mut answer, &name, wanted, records),
            Some(Answer::Truncated(_) | Answer::TruncatedThenSilent) if udp => answer.metadata.truncation = true,
            Some(Answer::Truncated(records)) => add(&mut answer, &name, wanted, records),
            Some(Answer::SecondTime(records)) if before > 0 => add(&mut answer, &name, wanted, records),
            Some(Answer::Garbage) => return Some([&bytes[..2], &[0xff; 40]].concat()),
            Some(Answer::Silence | Answer::TruncatedThenSilent | Answer::SecondTime(_)) => return None,
        }
        let whole = answer.to_vec().expect("a message that can be written");
        if udp && whole.len() > usize::from(question.max_payload()) {
            answer.answers.clear();
            answer.metadata.truncation = true;
            return Some(answer.to_vec().expect("a message that can be written"));
        }
        Some(whole)
    }
}

fn add(answer: &mut Message, name: &Name, wanted: RecordType, records: &[RData]) {
    for data in records.iter().filter(|data| data.record_type() == wanted) {
        answer.add_answer(Record::from_rdata(name.clone(), 60, data.clone()));
    }
}
