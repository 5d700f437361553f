//! Three servers of plain socketioxide, joined by each kind of bus, and clients at all of them: one list of stories, told
//! once for each bus; what other programs may put onto the bus; and what may be wrong with Redis.
//!
//! Redis is started and stopped by the tests.

#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod bad_input;
#[allow(dead_code, reason = "the README's test uses the rest")]
mod client;
mod node_process;
mod patience;
mod redis_server;
mod redis_trouble;
mod room_channels;
mod servers;
mod stories;

use roomcast_adapter::Mode;
use servers::{Cluster, Kind};

async fn tell(kind: Kind, story: impl AsyncFnOnce(&mut Cluster)) {
    let mut cluster = Cluster::start(kind).await;
    story(&mut cluster).await;
    cluster.is_clean().await;
}

macro_rules! stories {
    ($kind:expr; $($chapter:ident { $($story:ident)* })*) => {
        $(mod $chapter {
            use super::super::*;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() {
                tell($kind, stories::$chapter::$story).await;
            })*
        })*
    };
}

macro_rules! on_bus {
    ($bus:ident, $kind:expr) => {
        mod $bus {
            stories! { $kind;
                broadcasts {
                    to_all
                    to_a_room
                    to_a_room_of_the_own_server_too
                    not_to_a_room
                    to_a_room_without_some_of_it
                    to_two_rooms_each_client_once
                    to_clients_of_this_server_only
                    volatile
                    with_binary
                    to_one_socket_by_id
                    to_a_socket_of_another_server
                    to_a_room_after_its_last_member_has_left_and_another_come
                    rooms_with_unusual_names
                    of_another_namespace
                    two_hundred_in_order
                    that_cannot_be_encoded_goes_to_nobody
                }
                acknowledgements {
                    of_all_clients
                    of_a_room_elsewhere
                    of_one_socket_elsewhere
                    of_nobody
                    of_this_server_only
                    with_binary
                    a_client_that_answers_too_late
                    several_questions_at_a_time
                }
                remote_control {
                    all_sockets_join
                    some_sockets_join
                    a_socket_of_another_server_joins
                    all_sockets_leave
                    some_sockets_leave
                    a_socket_of_another_server_leaves
                    nobody_joins
                    sockets_of_one_server_join_only
                    all_sockets_are_disconnected
                    a_socket_is_disconnected_from_its_namespace
                    a_socket_is_disconnected_from_all_namespaces
                }
                questions {
                    all_sockets
                    a_socket_with_all_that_is_known_of_it
                    sockets_of_a_room_but_some
                    sockets_of_this_server_only
                    sockets_of_a_namespace
                    all_rooms
                    how_many_servers
                    nodes
                }
                server_side {
                    to_the_other_servers
                    with_answers
                    a_server_that_answers_too_late
                    a_server_that_goes_is_not_waited_for
                    binary_is_carried
                }
                closing {
                    a_closed_bus_is_gone_for_the_others
                    a_closed_bus_neither_speaks_nor_hears
                    a_server_that_comes_is_part_of_it
                }
                socketioxide {
                    emit
                    emit_of_a_socket_to_the_others
                    acknowledgements_as_a_stream
                    acknowledgements_that_do_not_come
                    join_and_leave
                    rooms
                    sockets_of_all_servers
                    a_socket_of_another_server
                    disconnect
                }
                unwanted {
                    the_own_echo
                    of_a_foreign_namespace
                    answers_to_nothing
                    a_room_named_like_a_node
                }
            }
        }
    };
}

on_bus!(hub, Kind::Hub);
on_bus!(classic, Kind::Redis(Mode::Classic));
on_bus!(classic_with_specific_responses, Kind::SpecificResponses);
on_bus!(sharded_static, servers::STATIC);
on_bus!(sharded_dynamic, servers::DYNAMIC);
on_bus!(sharded_dynamic_private, servers::DYNAMIC_PRIVATE);
