/*
 * server/protocol/event_stream.h - event streams' part in the service's start. Entry point: service.h.
 */
#ifndef SERVER_PROTOCOL_EVENT_STREAM_H
#define SERVER_PROTOCOL_EVENT_STREAM_H

struct service;

/* Registers the timer of the positions sent every 15 s. */
void event_stream_start(struct service *service);

#endif
