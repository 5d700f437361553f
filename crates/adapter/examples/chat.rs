//! A chat: clients join rooms, and send texts to the others in a room, whatever server they are connected to.
use roomcast_adapter::{Adapter, Bus, RedisSettings, own_room};
use socketioxide::SocketIo;
use socketioxide::extract::{Data, SocketRef};
use socketioxide::handler::ConnectHandler;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let bus = Bus::redis(&RedisSettings::new(std::env::var("REDIS_URL")?))?;
    let (layer, io) = SocketIo::builder().with_adapter::<Adapter>(bus).build_layer();
    let chat = async |socket: SocketRef<Adapter>| {
        socket.on("join", async |socket: SocketRef<Adapter>, Data::<String>(room)| socket.join(room));
        socket.on("message", async |socket: SocketRef<Adapter>, Data::<(String, String)>((room, text))| {
            _ = socket.to(room).emit("message", &text).await;
        });
    };
    io.ns("/", chat.with(own_room)); // so that others can send to a socket by its id, as in Node
    let listener = tokio::net::TcpListener::bind(std::env::var("LISTEN")?).await?;
    Ok(axum::serve(listener, axum::Router::<()>::new().layer(layer)).await?)
}
