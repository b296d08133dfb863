/*
 * server/protocol/frames.h - an event as the bytes that subscribers of each protocol get.
 *
 * Shape    six encodings (server/topics/event.h), each giving a frame that is ready to send and the
 *          same for all its subscribers: room and broker messages as WebSocket text frames
 *          (as they are and compressed), broker
 *          messages as lines, broker messages as blocks of an event stream (PROTOCOLS 2 to 4).
 * Callers  the worker's delivery and catch-up, by the registered numbers; frames_init before.
 * Memory   the caller's; frame_bytes_max says how much.
 */
#ifndef SERVER_PROTOCOL_FRAMES_H
#define SERVER_PROTOCOL_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "server/topics/event.h"
#include "server/websocket/deflate.h"

struct bus;

/* Where the room's size (in ticks) and the epoch (in event stream ids) are read. */
void frames_init(const struct bus *bus);

enum frames_kind {
    FRAMES_ROOM,
    FRAMES_BROKER,
    FRAMES_LINE,
    FRAMES_EVENT_STREAM,
};

/*
 * @window: of those that may be compressed (FRAMES_ROOM, FRAMES_BROKER) and are sent to subscribers who agreed to
 * it; frames that are not worth it stay as they are. DEFLATE_NONE for all others.
 */
const struct encoding *frames_encoding(enum frames_kind kind, enum deflate_window window);

#endif
