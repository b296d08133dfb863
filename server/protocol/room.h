/*
 * server/protocol/room.h - the room's part in the service's timer. Its entry point: service.h.
 */
#ifndef SERVER_PROTOCOL_ROOM_H
#define SERVER_PROTOCOL_ROOM_H

struct service;

/* Publishes a tick if anybody, on any worker, is in the room. */
void room_tick(struct service *service);

#endif
