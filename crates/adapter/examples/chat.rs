//! A chat: clients join rooms, and send texts to the others in a room, whatever server they are connected to.
use roomcast_adapter::{Adapter, Bus, RedisSettings};
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let bus = Bus::redis(&RedisSettings::new(std::env::var("REDIS_URL")?))?;
    let (layer, io) = SocketIo::builder().with_adapter::<Adapter>(bus).build_layer();
    io.ns("/", async |socket: SocketRef<Adapter>| {
        socket.join(socket.id); // so that others can send to it by its id, as in Node
        socket.on("join", async |socket: SocketRef<Adapter>, Data::<String>(room)| socket.join(room));
        socket.on("message", async |socket: SocketRef<Adapter>, Data::<(String, String)>((room, text))| {
            _ = socket.to(room).emit("message", &text).await;
        });
    });
    let listener = tokio::net::TcpListener::bind(std::env::var("LISTEN")?).await?;
    Ok(axum::serve(listener, axum::Router::<()>::new().layer(layer)).await?)
}
