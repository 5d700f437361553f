//! Forwarding between two nodes over loopback: what the client, the owner and a stranger see.
#![allow(clippy::unwrap_used, missing_docs)]

mod forward_nodes;

use std::time::Duration;

use axum::body::{Body, to_bytes};
use futures_util::StreamExt;
use http::{Method, Request, Response, StatusCode};
use roomcast_edge::{ForwardError, ForwardSettings, Forwarder, Keys, OWNER_HEADER, Stats, Tag};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use forward_nodes::{CLIENT, OWNER, Owner, WEBSOCKET, ended, front, head, serve, soon, tag};

fn poll() -> Request<Body> {
    Request::get("/socket.io/?EIO=4&sid=x").header("host", "example.com").body(Body::empty()).unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap()
}

/// What comes of a poll that goes to this address as that of the owner.
async fn forward_to(address: &str, settings: ForwardSettings) -> Result<String, ForwardError> {
    let forwarder = Forwarder::new(tag("no01"), Keys::random(), settings, &Stats::default());
    match soon(forwarder.forward(tag(OWNER), address, poll(), CLIENT.parse().unwrap())).await {
        Ok(response) => Ok(text(response).await),
        Err(error) => Err(error),
    }
}

#[tokio::test]
async fn a_poll_that_is_answered_late_reaches_its_client() {
    let mut owner = Owner::start();
    let front = front(owner.forwarder(ForwardSettings::default()), owner.address());
    let mut client = TcpStream::connect(front).await.unwrap();
    client.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let waiting = soon(owner.waiting.recv()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(50), client.read_u8()).await;
    assert!(early.is_err(), "answered before the owner has: {early:?}");
    waiting.send("a packet".to_owned()).unwrap();
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\na packet"), "{answer}");
    assert!(!answer.contains(OWNER_HEADER.as_str()), "{answer}");
}

#[tokio::test]
async fn a_post_arrives_with_method_path_headers_and_body() {
    let owner = Owner::start();
    let front = front(owner.forwarder(ForwardSettings::default()), owner.address());
    let mut client = TcpStream::connect(front).await.unwrap();
    let post = "POST /tell?EIO=4&sid=x%20y HTTP/1.1\r\nhost: example.com\r\nconnection: close, x-hop\r\nx-hop: 1\r\n\
        cookie: a=1\r\ncookie: b=2\r\ncontent-length: 5\r\n\r\nhello";
    client.write_all(post.as_bytes()).await.unwrap();
    let mut answer = String::new();
    soon(client.read_to_string(&mut answer)).await.unwrap();
    let (_, told) = answer.split_once("\r\n\r\n").unwrap();
    let peer = client.local_addr().unwrap();
    let expected = format!(
        "POST /tell?EIO=4&sid=x%20y from no01 of {peer}\ncontent-length: 5\ncookie: a=1\ncookie: b=2\n\
        host: example.com\n\nhello"
    );
    assert_eq!(told, expected);
}

#[tokio::test]
async fn bodies_pass_piece_by_piece_in_both_directions() {
    let owner = Owner::start();
    let forwarder = owner.forwarder(ForwardSettings::default());
    let (pieces, mut rest) = tokio::sync::mpsc::channel::<Result<&str, std::io::Error>>(1);
    let body = Body::from_stream(futures_util::stream::poll_fn(move |cx| rest.poll_recv(cx)));
    let request = Request::post("/echo").body(body).unwrap();
    let address = owner.address();
    pieces.send(Ok("one")).await.unwrap();
    let answer =
        soon(forwarder.forward(tag(OWNER), &address, request, CLIENT.parse().unwrap())).await.unwrap();
    let mut echo = answer.into_body().into_data_stream();
    assert_eq!(soon(echo.next()).await.unwrap().unwrap(), "one");
    pieces.send(Ok("two")).await.unwrap();
    assert_eq!(soon(echo.next()).await.unwrap().unwrap(), "two");
    drop(pieces);
    assert!(soon(echo.next()).await.is_none());
}

#[tokio::test]
async fn what_a_client_says_about_being_forwarded_does_not_pass() {
    let owner = Owner::start();
    let forwarder = owner.forwarder(ForwardSettings::default());
    let mut request = poll();
    *request.uri_mut() = "/tell".parse().unwrap();
    for value in ["v1 from=no09 at=1 client=192.0.2.66:1 nonce=x mac=x", "again"] {
        request.headers_mut().append("x-roomcast-forwarded", value.parse().unwrap());
    }
    request.headers_mut().insert("x-roomcast-admin", "yes".parse().unwrap());
    let address = owner.address();
    let answer =
        soon(forwarder.forward(tag(OWNER), &address, request, CLIENT.parse().unwrap())).await.unwrap();
    assert_eq!(text(answer).await, format!("GET /tell from no01 of {CLIENT}\nhost: example.com\n\n"));
}

#[tokio::test]
async fn the_owner_refuses_what_no_node_has_signed() {
    let owner = Owner::start();
    let address = owner.address();
    let status = async |request: String| {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let (status, _) = soon(head(&mut stream)).await;
        status
    };
    let made_up =
        "v1 from=no01 at=1 client=192.0.2.66:1 nonce=AAAAAAAAAAAAAAAAAAAAAA mac=AAAAAAAAAAAAAAAAAAAAAA";
    assert_eq!(status("GET /tell HTTP/1.1\r\nhost: x\r\n\r\n".to_owned()).await, 400);
    let forged = format!("GET /tell HTTP/1.1\r\nhost: x\r\nx-roomcast-forwarded: {made_up}\r\n\r\n");
    assert_eq!(status(forged).await, 403);

    // A node with other keys: the owner refuses, and so cannot prove itself.
    let stranger = Forwarder::new(tag("no01"), Keys::random(), ForwardSettings::default(), &Stats::default());
    let answer = soon(stranger.forward(tag(OWNER), &address, poll(), CLIENT.parse().unwrap())).await;
    assert_eq!(answer.unwrap_err(), ForwardError::NotGenuine);

    // A genuine header, taken from one request and put before another.
    let (spy, mut caught) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), String::new());
    let at = spy.local_addr().unwrap().to_string();
    let forwarder = owner.forwarder(ForwardSettings::default());
    let catch = async {
        let (mut stream, _) = spy.accept().await.unwrap();
        caught = head(&mut stream).await.1;
    };
    let (answer, ()) = soon(async {
        tokio::join!(forwarder.forward(tag(OWNER), &at, poll(), CLIENT.parse().unwrap()), catch)
    })
    .await;
    assert_eq!(answer.unwrap_err(), ForwardError::Unreachable);
    assert_eq!(status(caught.clone()).await, 404, "the header is good for its own request");
    assert_eq!(status(caught.replace("sid=x", "sid=y")).await, 403);
    assert_eq!(status(caught.replace("no01", "no03")).await, 403);
    assert_eq!(status(caught.replace("192.0.2.7", "192.0.2.8")).await, 403);
}

#[tokio::test]
async fn an_owner_that_is_not_there_is_unreachable() {
    // Bound, so that nobody else gets the port, but not listening.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let nobody = socket.local_addr().unwrap().as_socket().unwrap().to_string();
    for address in [nobody.as_str(), "", "not an address", "127.0.0.1:0"] {
        let answer = forward_to(address, ForwardSettings::default()).await;
        assert_eq!(answer, Err(ForwardError::Unreachable), "{address:?}");
    }
}

#[tokio::test]
async fn an_owner_that_takes_no_connections_is_unreachable() {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let wait = Duration::from_millis(200);
    let mut queue = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(wait, TcpStream::connect(address)).await {
        queue.push(stream);
        assert!(queue.len() < 100, "the queue of connections does not fill");
    }
    let settings = ForwardSettings { connect_timeout: wait, ..ForwardSettings::default() };
    assert_eq!(forward_to(&address.to_string(), settings).await, Err(ForwardError::Unreachable));
}

#[tokio::test]
async fn an_owner_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let settings =
        ForwardSettings { answer_timeout: Duration::from_millis(100), ..ForwardSettings::default() };
    assert_eq!(forward_to(&address, settings).await, Err(ForwardError::Timeout));
}

#[tokio::test]
async fn another_service_at_the_address_is_not_taken_for_the_owner() {
    let stranger = serve(axum::Router::new().fallback(|| async { "welcome" })).0.to_string();
    assert_eq!(forward_to(&stranger, ForwardSettings::default()).await, Err(ForwardError::NotGenuine));
    let liar =
        axum::Router::new().fallback(|| async { ([("x-roomcast-owner", "AAAAAAAAAAAAAAAAAAAAAA")], "me") });
    let liar = serve(liar).0.to_string();
    assert_eq!(forward_to(&liar, ForwardSettings::default()).await, Err(ForwardError::NotGenuine));

    // One that does not speak HTTP.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        head(&mut stream).await;
        stream.write_all(b"-ERR unknown command 'GET'\r\n").await.unwrap();
        stream
    };
    let (forwarded, _stream) =
        soon(async { tokio::join!(forward_to(&address, ForwardSettings::default()), answer) }).await;
    assert_eq!(forwarded, Err(ForwardError::NotGenuine));
}

#[tokio::test]
async fn another_node_of_the_cluster_is_not_taken_for_the_owner() {
    let owner = Owner::start();
    let forwarder = owner.forwarder(ForwardSettings::default());
    let moved: Tag = tag("no03");
    let answer = soon(forwarder.forward(moved, &owner.address(), poll(), CLIENT.parse().unwrap())).await;
    assert_eq!(answer.unwrap_err(), ForwardError::NotGenuine);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_poll_at_the_owner() {
    let mut owner = Owner::start();
    let front = front(owner.forwarder(ForwardSettings::default()), owner.address());
    let mut client = TcpStream::connect(front).await.unwrap();
    client.write_all(b"GET /wait HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut waiting = soon(owner.waiting.recv()).await.unwrap();
    drop(client);
    soon(waiting.closed()).await;
}

#[tokio::test]
async fn one_request_too_many_is_told_so_until_another_has_ended() {
    let mut owner = Owner::start();
    let forwarder = owner.forwarder(ForwardSettings { max_in_flight: 1, ..ForwardSettings::default() });
    let address = owner.address();
    let ask = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        soon(forwarder.forward(tag(OWNER), &address, request, CLIENT.parse().unwrap())).await
    };
    let (first, ()) = tokio::join!(ask("/wait"), async {
        let waiting = soon(owner.waiting.recv()).await.unwrap();
        assert_eq!(ask("/tell").await.unwrap_err(), ForwardError::Busy);
        waiting.send("done".to_owned()).unwrap();
    });
    // An answer is under way until its body has been taken.
    let first = first.unwrap();
    assert_eq!(ask("/tell").await.unwrap_err(), ForwardError::Busy);
    assert_eq!(text(first).await, "done");
    assert_eq!(ask("/tell").await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn connections_to_the_owner_are_used_again() {
    let owner = Owner::start();
    let forwarder = owner.forwarder(ForwardSettings::default());
    let address = owner.address();
    for _ in 0..50 {
        let request = Request::builder().method(Method::POST).uri("/tell").body(Body::from("x")).unwrap();
        let answer = forwarder.forward(tag(OWNER), &address, request, CLIENT.parse().unwrap());
        text(soon(answer).await.unwrap()).await;
    }
    let accepted = owner.stats.snapshot().accepted;
    assert!(accepted < 25, "{accepted} connections for 50 requests");
}

#[tokio::test]
async fn a_websocket_carries_bytes_both_ways_and_ends_with_its_client() {
    let mut owner = Owner::start();
    let front = front(owner.forwarder(ForwardSettings::default()), owner.address());
    let mut client = TcpStream::connect(front).await.unwrap();
    // What a client sends at once, behind its request, is not lost.
    client.write_all(format!("{WEBSOCKET}early").as_bytes()).await.unwrap();
    let (status, answer) = soon(head(&mut client)).await;
    assert_eq!(status, 101);
    assert!(answer.contains("\r\nsec-websocket-accept: accepted\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nupgrade: websocket\r\n") && answer.contains("\r\nconnection: upgrade\r\n"),
        "{answer}"
    );
    assert!(!answer.contains(OWNER_HEADER.as_str()), "{answer}");

    let mut socket = soon(owner.websockets.recv()).await.unwrap();
    let mut heard = [0; 5];
    soon(socket.read_exact(&mut heard)).await.unwrap();
    assert_eq!(&heard, b"early");
    // More than all buffers on the way hold.
    let large: Vec<u8> = (0..8_000_000u32).map(|number| number.to_le_bytes()[0]).collect();
    let mut echo = vec![0; large.len()];
    let (mut reader, mut writer) = client.split();
    let echoing = async {
        let mut buffer = vec![0; 65_536];
        let mut left = large.len();
        while left > 0 {
            let length = socket.read(&mut buffer).await.unwrap();
            assert_ne!(length, 0, "ended too early");
            socket.write_all(&buffer[..length]).await.unwrap();
            left -= length;
        }
    };
    let (sent, received, ()) =
        soon(async { tokio::join!(writer.write_all(&large), reader.read_exact(&mut echo), echoing) }).await;
    sent.unwrap();
    received.unwrap();
    assert!(echo == large, "bytes were changed on the way");

    drop(client);
    soon(ended(&mut socket)).await;
}

#[tokio::test]
async fn a_websocket_ends_with_its_owner() {
    let mut owner = Owner::start();
    let front = front(owner.forwarder(ForwardSettings::default()), owner.address());
    let (mut client, mut socket) = owner.websocket(front).await;
    socket.write_all(b"goodbye").await.unwrap();
    drop(socket);
    let mut heard = Vec::new();
    soon(client.read_to_end(&mut heard)).await.unwrap();
    assert_eq!(heard, b"goodbye");
}

#[tokio::test]
async fn a_websocket_that_is_reset_on_one_side_is_closed_on_the_other() {
    let mut owner = Owner::start();
    let front = front(owner.forwarder(ForwardSettings::default()), owner.address());

    let (client, mut socket) = owner.websocket(front).await;
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    soon(ended(&mut socket)).await;

    let (mut client, mut socket) = owner.websocket(front).await;
    client.write_all(b"xy").await.unwrap();
    // Who closes with bytes unread resets the connection.
    assert_eq!(soon(socket.read_u8()).await.unwrap(), b'x');
    drop(socket);
    soon(ended(&mut client)).await;
}

#[tokio::test]
async fn a_websocket_counts_as_under_way_until_it_ends() {
    let mut owner = Owner::start();
    let forwarder = owner.forwarder(ForwardSettings { max_in_flight: 1, ..ForwardSettings::default() });
    let front = front(forwarder.clone(), owner.address());
    let (client, socket) = owner.websocket(front).await;
    let address = owner.address();
    let ask = async || soon(forwarder.forward(tag(OWNER), &address, poll(), CLIENT.parse().unwrap())).await;
    assert_eq!(ask().await.unwrap_err(), ForwardError::Busy);
    drop((client, socket));
    // A refusal is there at once: without giving way the websocket's task would never run.
    let free_again = async {
        while ask().await.is_err_and(|error| error == ForwardError::Busy) {
            tokio::task::yield_now().await;
        }
    };
    soon(free_again).await;
}

#[tokio::test]
async fn a_refused_websocket_is_an_answer_like_others() {
    let owner = Owner::start();
    let front = front(owner.forwarder(ForwardSettings::default()), owner.address());
    let mut client = TcpStream::connect(front).await.unwrap();
    client.write_all(WEBSOCKET.replace("/websocket", "/unknown").as_bytes()).await.unwrap();
    let (status, answer) = soon(head(&mut client)).await;
    assert_eq!(status, 404, "{answer}");
}

#[tokio::test]
async fn an_answer_that_switches_protocols_unasked_is_not_passed() {
    let owner = Owner::start();
    let forwarder = owner.forwarder(ForwardSettings::default());
    let request = Request::get("/websocket").body(Body::empty()).unwrap();
    let answer =
        soon(forwarder.forward(tag(OWNER), &owner.address(), request, CLIENT.parse().unwrap())).await;
    assert_eq!(answer.unwrap_err(), ForwardError::NotGenuine);
}
