//! A MySQL 8 as far as its login goes, built from the MySQL documentation ("Caching SHA-2 Pluggable Authentication"), since
//! none can be had from the system's packages: caching_sha2_password with an empty cache, in plain text with RSA and
//! within TLS. It lets in whoever knows the password, and answers one query.

use std::sync::{Arc, LazyLock};

use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::{Oaep, RsaPrivateKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::hostile::mysql::{NONCE, error, greeting, ok, one_row, packet};
use super::hostile::tls::Tls;
use super::hostile::{Server, close, listener};

/// What the server is like.
#[derive(Clone)]
pub struct Mysql8 {
    password: &'static str,
    cached: bool,
    tls: Option<Tls>,
}

impl Mysql8 {
    /// A server whose one account has that password.
    pub fn new(password: &'static str) -> Mysql8 {
        Mysql8 { password, cached: false, tls: None }
    }

    /// Has the account in its cache, so that the scramble is enough.
    pub fn cached(self) -> Mysql8 {
        Mysql8 { cached: true, ..self }
    }

    /// Offers TLS.
    pub fn tls(self, tls: Tls) -> Mysql8 {
        Mysql8 { tls: Some(tls), ..self }
    }

    /// Starts it on a free port of 127.0.0.1.
    pub fn start(self) -> Server {
        let acceptor = self.tls.clone().map(Tls::acceptor);
        let this = Arc::new(self);
        Server::start(listener("127.0.0.1:0"), move |mut stream, _| {
            let (this, acceptor) = (this.clone(), acceptor.clone());
            async move {
                let hello = greeting("caching_sha2_password", acceptor.is_some());
                if stream.write_all(&hello).await.is_err() {
                    return;
                }
                match acceptor {
                    // An SSLRequest has 32 bytes.
                    Some(acceptor) if matches!(stream.read_exact(&mut [0; 36]).await, Ok(36)) => {
                        let Ok(mut stream) = acceptor.accept(stream).await else { return };
                        let _ = this.serve(&mut stream, true).await;
                        close(stream).await;
                    }
                    Some(_) => {}
                    None => {
                        let _ = this.serve(&mut stream, false).await;
                        close(stream).await;
                    }
                }
            }
        })
    }

    async fn serve<S>(&self, stream: &mut S, encrypted: bool) -> std::io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (sequence, response) = read(stream).await?;
        let scramble = scramble(self.password.as_bytes());
        let knows = response.windows(scramble.len()).any(|window| window == scramble);
        let given = if self.cached {
            if knows {
                stream.write_all(&packet(sequence + 1, &[1, 3])).await?;
            }
            (sequence + 2, knows)
        } else {
            self.full(stream, sequence, encrypted).await?
        };
        let (sequence, let_in) = given;
        if !let_in {
            let sequence = if self.cached { sequence - 1 } else { sequence };
            let text = "Access denied for user 'app'@'localhost' (using password: YES)";
            return stream.write_all(&error(sequence, 1045, "28000", text)).await;
        }
        stream.write_all(&ok(sequence)).await?;
        let (_, query) = read(stream).await?;
        assert_eq!(query.first(), Some(&3), "a query");
        stream.write_all(&one_row()).await?;
        let _ = read(stream).await;
        Ok(())
    }

    /// Full authentication: the number of the next packet, and whether the password is right.
    async fn full<S>(&self, stream: &mut S, sequence: u8, encrypted: bool) -> std::io::Result<(u8, bool)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        stream.write_all(&packet(sequence + 1, &[1, 4])).await?;
        let (mut sequence, mut said) = read(stream).await?;
        if !encrypted {
            assert_eq!(said, [2], "without TLS the key is asked for, and nothing else is said");
            let pem = KEY.to_public_key().to_public_key_pem(LineEnding::LF).expect("a key");
            stream.write_all(&packet(sequence + 1, &[&[1], pem.as_bytes()].concat())).await?;
            (sequence, said) = read(stream).await?;
            said = KEY.decrypt(Oaep::new::<Sha1>(), &said).unwrap_or_default();
            said.iter_mut().zip(NONCE.iter().cycle()).for_each(|(byte, nonce)| *byte ^= nonce);
        }
        Ok((sequence + 1, said == [self.password.as_bytes(), &[0]].concat()))
    }
}

/// Made once: it takes a while.
static KEY: LazyLock<RsaPrivateKey> =
    LazyLock::new(|| RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("a key"));

/// What a client proves that it knows the password with.
fn scramble(password: &[u8]) -> Vec<u8> {
    let once = Sha256::digest(password);
    let mixed = Sha256::new().chain_update(Sha256::digest(once)).chain_update(NONCE).finalize();
    once.iter().zip(mixed).map(|(a, b)| a ^ b).collect()
}

/// A packet's number and payload.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    let mut payload = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
    stream.read_exact(&mut payload).await?;
    Ok((head[3], payload))
}
