/*
 * RFC 9113 and RFC 7541 by section, as h2spec goes through them: what is sent, and what is demanded of
 * who receives it. Where section 5.4.1 allows a connection error in place of a stream error, what is
 * expected is what this server does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/http2_fixture.h"

enum expected {
    GOES_ON, /* and nothing is reset */
    ANSWERS, /* stream @id, with status @code, and goes on */
    RESETS,  /* stream @id, with error @code, and goes on */
    FAILS,   /* with error @code */
    ENDS,    /* without a word: the client has said goodbye */
};

struct section_case {
    const char *section; /* h2spec's number, where it has one */
    const char *script;
    enum expected expected;
    int32_t id;
    uint32_t code;
};

enum {
    PROTOCOL = NGHTTP2_PROTOCOL_ERROR,
    FLOW = NGHTTP2_FLOW_CONTROL_ERROR,
    CLOSED = NGHTTP2_STREAM_CLOSED,
    SIZE = NGHTTP2_FRAME_SIZE_ERROR,
    COMPRESSION = NGHTTP2_COMPRESSION_ERROR,
};

/* clang-format off */
static const struct section_case cases[] = {
    /* generic: what has to work */
    {"generic 1", "HEADERS+EH+ES 1 $get;", ANSWERS, 1, 200},
    {"generic 2.1 PRIORITY, idle", "PRIORITY 1 0000000010; HEADERS+EH+ES 1 $get;", ANSWERS, 1, 200},
    {"generic 2.2 WINDOW_UPDATE, half-closed", "HEADERS+EH+ES 1 $get; WINDOW_UPDATE 1 00000001;", ANSWERS, 1, 200},
    {"generic 2.3 PRIORITY, half-closed", "HEADERS+EH+ES 1 $get; PRIORITY 1 0000000010;", ANSWERS, 1, 200},
    {"generic 2.4 RST_STREAM, half-closed", "HEADERS+EH+ES 1 [:method GET :scheme http :path /later :authority h]; RST_STREAM 1 00000008;", GOES_ON, 0, 0},
    {"generic 3.1.1", "HEADERS+EH 1 $post; DATA+ES 1 'test';", ANSWERS, 1, 200},
    {"generic 3.1.2", "HEADERS+EH 1 $post; DATA 1 'te'; DATA 1 's'; DATA+ES 1 't';", ANSWERS, 1, 200},
    {"generic 3.1.3", "HEADERS+EH 1 $post; DATA+ES+PADDED 1 06 'test' 00*6;", ANSWERS, 1, 200},
    {"generic 3.2.2", "HEADERS+EH+ES+PADDED 1 06 $get 00*6;", ANSWERS, 1, 200},
    {"generic 3.2.3", "HEADERS+EH+ES+PRIO 1 00000000ff $get;", ANSWERS, 1, 200},
    {"generic 3.2.3 exclusive, padded", "HEADERS+EH+ES+PRIO+PADDED 1 02 8000000310 $get 0000;", ANSWERS, 1, 200},
    {"generic 3.3.1", "PRIORITY 1 0000000000; PRIORITY 3 00000000ff; PRIORITY 5 0000000110; PRIORITY 7 8000000110;", GOES_ON, 0, 0},
    {"generic 3.3.5", "PRIORITY 3 0000000010; PRIORITY 1 0000000310; HEADERS+EH+ES 1 $get;", ANSWERS, 1, 200},
    {"generic 3.4.1", "HEADERS+EH 1 $post; RST_STREAM 1 00000008;", GOES_ON, 0, 0},
    {"generic 3.5.1", "SETTINGS 0 000300000064;", GOES_ON, 0, 0},
    {"generic 3.7.1", "PING 0 'h2spec!!';", GOES_ON, 0, 0},
    {"generic 3.8.1", "GOAWAY 0 0000000000000000;", ENDS, 0, 0},
    {"generic 3.9", "WINDOW_UPDATE 0 00000001; HEADERS+EH 1 $post; WINDOW_UPDATE 1 00000001; DATA+ES 1 'x';", ANSWERS, 1, 200},
    {"generic 3.10.1", "HEADERS+ES 1 $get; CONTINUATION+EH 1 [a b];", ANSWERS, 1, 200},
    {"generic 3.10.2", "HEADERS+ES 1 $get; CONTINUATION 1 [a b]; CONTINUATION 1; CONTINUATION+EH 1 [c d];", ANSWERS, 1, 200},
    {"generic 4.2 HEAD", "HEADERS+EH+ES 1 [:method HEAD :scheme http :path / :authority h];", ANSWERS, 1, 200},
    {"generic 4.4 trailers", "HEADERS+EH 1 $post; DATA 1 'test'; HEADERS+EH+ES 1 [x-a b];", ANSWERS, 1, 200},
    {"generic 5 indexed", "HEADERS+EH+ES 1 82 86 84 [:authority h];", ANSWERS, 1, 200},
    {"generic 5 literal, indexed name", "HEADERS+EH+ES 1 82 86 84 41 01 'h' 0f2b 01 'a' 1f2b 01 'a';", ANSWERS, 1, 200},
    {"generic 5 dynamic table", "HEADERS+EH+ES 1 82 86 84 41 01 'h' 40 01 'a' 01 'b'; HEADERS+EH+ES 3 82 86 84 bf be;", ANSWERS, 3, 200},
    {"generic 5 Huffman", "HEADERS+EH+ES 1 82 86 84 41 8cf1e3c2e5f23a6ba0ab90f4ff;", ANSWERS, 1, 200},
    {"generic 5 table size", "HEADERS+EH+ES 1 20 3fe11f 82 86 84 [:authority h];", ANSWERS, 1, 200},

    /* 4 frames */
    {"4.1.1 unknown type", "0x16 0 00*8; 0xff+0xff 1 00*8; PING 0 'h2spec!!';", GOES_ON, 0, 0},
    {"4.1.2 undefined flags", "PING+0x16 0 'h2spec!!'; HEADERS+EH+ES+0xc2 1 $get;", ANSWERS, 1, 200},
    {"4.1.3 reserved bit", "PING 0x80000000 'h2spec!!'; HEADERS+EH+ES 0x80000001 $get;", ANSWERS, 1, 200},
    {"4.2.1 largest DATA", "HEADERS+EH 1 [:method CONNECT :protocol websocket :scheme http :path /keep :authority h]; DATA 1 78*16384;", GOES_ON, 0, 0},
    {"4.2.2 DATA too large", "HEADERS+EH 1 $post; DATA+ES 1 00*16385;", FAILS, 0, SIZE},
    {"4.2.3 HEADERS too large", "HEADERS+EH+ES 1 00*16385;", FAILS, 0, SIZE},
    {"4.2 any frame too large", "0x16 0 00*16385;", FAILS, 0, SIZE},
    {"4.3.1 broken block", "HEADERS+EH+ES 1 40;", FAILS, 0, COMPRESSION},
    {"4.3.2 PRIORITY inside a block", "HEADERS+ES 1 $get; PRIORITY 1 0000000010;", FAILS, 0, PROTOCOL},
    {"4.3.3 HEADERS inside a block", "HEADERS+ES 1 $get; HEADERS+ES+EH 3 $get;", FAILS, 0, PROTOCOL},

    /* 5.1 states */
    {"5.1.1 idle: DATA", "DATA+ES 1 'test';", FAILS, 0, PROTOCOL},
    {"5.1.2 idle: RST_STREAM", "RST_STREAM 1 00000008;", FAILS, 0, PROTOCOL},
    {"5.1.3 idle: WINDOW_UPDATE", "WINDOW_UPDATE 1 00000064;", FAILS, 0, PROTOCOL},
    {"5.1.4 idle: CONTINUATION", "CONTINUATION+EH 1 $get;", FAILS, 0, PROTOCOL},
    {"5.1.5 half-closed (remote): DATA", "HEADERS+EH+ES 1 [:method GET :scheme http :path /later :authority h]; DATA+ES 1 'test';", FAILS, 0, CLOSED},
    {"5.1.6 half-closed (remote): HEADERS", "HEADERS+EH+ES 1 [:method GET :scheme http :path /later :authority h]; HEADERS+EH+ES 1 $get;", FAILS, 0, CLOSED},
    {"5.1.7 half-closed (remote): CONTINUATION", "HEADERS+EH+ES 1 [:method GET :scheme http :path /later :authority h]; CONTINUATION+EH 1 $get;", FAILS, 0, PROTOCOL},
    {"5.1.8 reset: DATA", "HEADERS+EH 1 $post; RST_STREAM 1 00000008; DATA+ES 1 'test';", FAILS, 0, CLOSED},
    {"5.1.9 reset: HEADERS", "HEADERS+EH 1 $post; RST_STREAM 1 00000008; HEADERS+EH+ES 1 $get;", FAILS, 0, CLOSED},
    {"5.1.10 reset: CONTINUATION", "HEADERS+EH 1 $post; RST_STREAM 1 00000008; CONTINUATION+EH 1 $get;", FAILS, 0, PROTOCOL},
    {"5.1 reset: WINDOW_UPDATE, RST_STREAM, PRIORITY", "HEADERS+EH 1 $post; RST_STREAM 1 00000008; WINDOW_UPDATE 1 00000001; RST_STREAM 1 00000008; PRIORITY 1 0000000310;", GOES_ON, 0, 0},

    /* 5.1.1 identifiers, 5.3 priority */
    {"5.1.1.1 even", "HEADERS+EH+ES 2 $get;", FAILS, 0, PROTOCOL},
    {"5.1.1.2 smaller, never used", "HEADERS+EH+ES 5 $get; HEADERS+EH+ES 3 $get;", FAILS, 0, PROTOCOL},
    {"5.1.1 smaller, never used: DATA", "HEADERS+EH+ES 5 $get; DATA+ES 3 'x';", FAILS, 0, PROTOCOL},
    {"5.3.1.1 HEADERS on itself", "HEADERS+EH+ES+PRIO 1 00000001ff $get;", FAILS, 0, PROTOCOL},
    {"5.3.1.2 PRIORITY on itself", "PRIORITY 3 00000003ff;", FAILS, 0, PROTOCOL},

    /* 5.4, 5.5 */
    {"5.4.1 the last word", "PING 0 'h2spec';", FAILS, 0, SIZE},
    {"5.5.1 extensions", "0x16+0x16 0 00*8; 0x16 7 'x';", GOES_ON, 0, 0},
    {"5.5.2 extension inside a block", "HEADERS+ES 1 $get; 0x16 0 00*8;", FAILS, 0, PROTOCOL},

    /* 6.1 DATA */
    {"6.1.1 stream 0", "DATA+ES 0 'test';", FAILS, 0, PROTOCOL},
    {"6.1.2 half-closed", "HEADERS+EH+ES 1 [:method GET :scheme http :path /later :authority h]; DATA 1 'test';", FAILS, 0, CLOSED},
    {"6.1.3 padding", "HEADERS+EH 1 $post; DATA+ES+PADDED 1 06 'test';", FAILS, 0, PROTOCOL},
    {"6.1 no room for the padding's length", "HEADERS+EH 1 $post; DATA+ES+PADDED 1;", FAILS, 0, PROTOCOL},
    {"6.1 nothing but padding", "HEADERS+EH 1 $post; DATA+ES+PADDED 1 04 00*4;", ANSWERS, 1, 200},

    /* 6.2 HEADERS */
    {"6.2.1", "HEADERS+ES 1 $get; PRIORITY 3 0000000010;", FAILS, 0, PROTOCOL},
    {"6.2.2", "HEADERS+ES 1 $get; HEADERS+EH+ES 3 $get;", FAILS, 0, PROTOCOL},
    {"6.2.3 stream 0", "HEADERS+EH+ES 0 $get;", FAILS, 0, PROTOCOL},
    {"6.2.4 padding", "HEADERS+EH+ES+PADDED 1 ff $get;", FAILS, 0, PROTOCOL},
    {"6.2 no room for the priority", "HEADERS+EH+ES+PRIO 1 0000;", FAILS, 0, SIZE},

    /* 6.3 PRIORITY, 6.4 RST_STREAM */
    {"6.3.1 stream 0", "PRIORITY 0 0000000010;", FAILS, 0, PROTOCOL},
    {"6.3.2 size", "HEADERS+EH 1 $post; PRIORITY 1 00000000;", FAILS, 0, SIZE},
    {"6.4.1 stream 0", "RST_STREAM 0 00000008;", FAILS, 0, PROTOCOL},
    {"6.4.2 idle", "RST_STREAM 1 00000008;", FAILS, 0, PROTOCOL},
    {"6.4.3 size", "HEADERS+EH 1 $post; RST_STREAM 1 000008;", FAILS, 0, SIZE},

    /* 6.5 SETTINGS */
    {"6.5.1 ACK with payload", "SETTINGS+ACK 0 000300000064;", FAILS, 0, SIZE},
    {"6.5.2 not stream 0", "SETTINGS 1 000300000064;", FAILS, 0, PROTOCOL},
    {"6.5.3 size", "SETTINGS 0 0003000000;", FAILS, 0, SIZE},
    {"6.5.2.1 ENABLE_PUSH", "SETTINGS 0 000200000002;", FAILS, 0, PROTOCOL},
    {"6.5.2.2 INITIAL_WINDOW_SIZE", "SETTINGS 0 000480000000;", FAILS, 0, FLOW},
    {"6.5.2.3 MAX_FRAME_SIZE too small", "SETTINGS 0 000500003fff;", FAILS, 0, PROTOCOL},
    {"6.5.2.4 MAX_FRAME_SIZE too large", "SETTINGS 0 000501000000;", FAILS, 0, PROTOCOL},
    {"6.5.2.5 unknown", "SETTINGS 0 00ff00000001;", GOES_ON, 0, 0},
    {"RFC 8441 3 ENABLE_CONNECT_PROTOCOL of a client", "SETTINGS 0 000800000001;", GOES_ON, 0, 0},
    {"RFC 9218 2.1 NO_RFC7540_PRIORITIES", "SETTINGS 0 000900000002;", FAILS, 0, PROTOCOL},
    {"6.6 PUSH_PROMISE", "HEADERS+EH 1 $post; PUSH_PROMISE+EH 1 00000002 $get;", FAILS, 0, PROTOCOL},

    /* 6.7 PING, 6.8 GOAWAY */
    {"6.7.2 ACK that was not asked for", "PING+ACK 0 'h2spec!!';", GOES_ON, 0, 0},
    {"6.7.3 not stream 0", "PING 1 'h2spec!!';", FAILS, 0, PROTOCOL},
    {"6.7.4 size", "PING 0 'h2spec';", FAILS, 0, SIZE},
    {"6.8.1 not stream 0", "GOAWAY 1 00000000 00000000;", FAILS, 0, PROTOCOL},
    {"6.8 size", "GOAWAY 0 00000000;", FAILS, 0, SIZE},
    {"6.8 the last stream grows", "GOAWAY 0 00000002 00000000; GOAWAY 0 00000004 00000000;", ENDS, 0, 0},

    /* 6.9 WINDOW_UPDATE */
    {"6.9.1 zero, connection", "WINDOW_UPDATE 0 00000000;", FAILS, 0, PROTOCOL},
    {"6.9.2 zero, stream", "HEADERS+EH 1 $post; WINDOW_UPDATE 1 00000000;", FAILS, 0, PROTOCOL},
    {"6.9.3 size", "WINDOW_UPDATE 0 000001;", FAILS, 0, SIZE},
    {"6.9.1.2 too large, connection", "WINDOW_UPDATE 0 7fffffff; WINDOW_UPDATE 0 7fffffff;", FAILS, 0, FLOW},
    {"6.9.1.3 too large, stream", "HEADERS+EH 1 $post; WINDOW_UPDATE 1 7fffffff; WINDOW_UPDATE 1 7fffffff;", RESETS, 1, FLOW},
    /* It should be the connection's end: nghttp2 ends the stream. */
    {"6.9.2 too large by SETTINGS", "HEADERS+EH 1 $post; WINDOW_UPDATE 1 7fff0000; SETTINGS 0 00047fffffff;", RESETS, 1, FLOW},
    {"6.9.2.3 INITIAL_WINDOW_SIZE", "SETTINGS 0 0004ffffffff;", FAILS, 0, FLOW},

    /* 6.10 CONTINUATION */
    {"6.10.2 then another frame", "HEADERS+ES 1 $get; CONTINUATION 1 [a b]; DATA 1 'x';", FAILS, 0, PROTOCOL},
    {"6.10.3 stream 0", "HEADERS+ES 1 $get; CONTINUATION+EH 0 [a b];", FAILS, 0, PROTOCOL},
    {"6.10.4 behind END_HEADERS", "HEADERS+EH 1 $post; CONTINUATION+EH 1 [a b];", FAILS, 0, PROTOCOL},
    {"6.10.5 behind its END_HEADERS", "HEADERS 1 $post; CONTINUATION+EH 1 [a b]; CONTINUATION+EH 1 [a b];", FAILS, 0, PROTOCOL},
    {"6.10.6 behind DATA", "HEADERS+EH 1 $post; DATA 1 'x'; CONTINUATION+EH 1 [a b];", FAILS, 0, PROTOCOL},
    {"6.10 of another stream", "HEADERS+ES 1 $get; CONTINUATION+EH 3 [a b];", FAILS, 0, PROTOCOL},

    /* 7 error codes */
    {"7.1 unknown, GOAWAY", "GOAWAY 0 00000000 000000ff;", ENDS, 0, 0},
    {"7.2 unknown, RST_STREAM", "HEADERS+EH 1 $post; RST_STREAM 1 000000ff;", GOES_ON, 0, 0},

    /* 8.1 messages */
    {"8.1.1 a second head that does not end it", "HEADERS+EH 1 $post; HEADERS+EH 1 [x-a b];", RESETS, 1, PROTOCOL},
    {"8.1 DATA behind trailers", "HEADERS+EH 1 [:method POST :scheme http :path /later :authority h]; HEADERS+EH+ES 1 [x-a b]; DATA 1 'x';", FAILS, 0, CLOSED},
    {"8.1.1 content-length, DATA", "HEADERS+EH 1 $post [content-length 1]; DATA+ES 1 'test';", RESETS, 1, PROTOCOL},
    {"8.1.1 content-length, more DATA", "HEADERS+EH 1 $post [content-length 1]; DATA 1 'te'; DATA+ES 1 'st';", RESETS, 1, PROTOCOL},
    {"8.1.1 content-length, less DATA", "HEADERS+EH 1 $post [content-length 5]; DATA+ES 1 'test';", RESETS, 1, PROTOCOL},
    {"8.1.1 content-length without DATA", "HEADERS+EH+ES 1 $post [content-length 5];", RESETS, 1, PROTOCOL},
    {"8.1.1 content-length twice", "HEADERS+EH 1 $post [content-length 4 content-length 4]; DATA+ES 1 'test';", RESETS, 1, PROTOCOL},
    {"8.1.1 content-length that is none", "HEADERS+EH 1 $post [content-length x]; DATA+ES 1 'test';", RESETS, 1, PROTOCOL},

    /* 8.2 fields */
    {"8.2 upper case", "HEADERS+EH+ES 1 $get [X-A b];", RESETS, 1, PROTOCOL},
    {"8.2.1 blank in a name", "HEADERS+EH+ES 1 $get [x~a b];", RESETS, 1, PROTOCOL},
    {"8.2.1 colon in a name", "HEADERS+EH+ES 1 $get [x:a b];", RESETS, 1, PROTOCOL},
    {"8.2.1 control character in a name", "HEADERS+EH+ES 1 $get 10 03 780178 01 'b';", RESETS, 1, PROTOCOL},
    {"8.2.1 no name", "HEADERS+EH+ES 1 $get 10 00 01 'b';", RESETS, 1, PROTOCOL},
    {"8.2.1 NUL in a value", "HEADERS+EH+ES 1 $get 10 01 'a' 03 620062;", RESETS, 1, PROTOCOL},
    {"8.2.1 LF in a value", "HEADERS+EH+ES 1 $get 10 01 'a' 03 620a62;", RESETS, 1, PROTOCOL},
    {"8.2.1 CR in a value", "HEADERS+EH+ES 1 $get 10 01 'a' 03 620d62;", RESETS, 1, PROTOCOL},
    {"8.2.1 a value begins with a blank", "HEADERS+EH+ES 1 $get [a ~b];", RESETS, 1, PROTOCOL},
    {"8.2.1 a value ends with a tab", "HEADERS+EH+ES 1 $get 10 01 'a' 02 6209;", RESETS, 1, PROTOCOL},
    {"8.2.1 upper case in trailers", "HEADERS+EH 1 $post; HEADERS+EH+ES 1 [X-A b];", RESETS, 1, PROTOCOL},
    {"8.2.2 connection", "HEADERS+EH+ES 1 $get [connection keep-alive];", RESETS, 1, PROTOCOL},
    {"8.2.2 upgrade", "HEADERS+EH+ES 1 $get [upgrade h2c];", RESETS, 1, PROTOCOL},
    {"8.2.2 keep-alive", "HEADERS+EH+ES 1 $get [keep-alive 5];", RESETS, 1, PROTOCOL},
    {"8.2.2 proxy-connection", "HEADERS+EH+ES 1 $get [proxy-connection close];", RESETS, 1, PROTOCOL},
    {"8.2.2 transfer-encoding", "HEADERS+EH+ES 1 $get [transfer-encoding chunked];", RESETS, 1, PROTOCOL},
    {"8.2.2 te", "HEADERS+EH+ES 1 $get [te trailers,deflate];", RESETS, 1, PROTOCOL},
    {"8.2.2 te: trailers", "HEADERS+EH+ES 1 $get [te trailers];", ANSWERS, 1, 200},
    {"8.2.3 cookies in pieces", "HEADERS+EH+ES 1 $get [cookie a=b cookie c=d];", ANSWERS, 1, 200},

    /* 8.3 pseudo-header fields */
    {"8.3 unknown", "HEADERS+EH+ES 1 $get [:test test];", RESETS, 1, PROTOCOL},
    {"8.3 of responses", "HEADERS+EH+ES 1 $get [:status 200];", RESETS, 1, PROTOCOL},
    {"8.3 in trailers", "HEADERS+EH 1 $post; HEADERS+EH+ES 1 [:method POST];", RESETS, 1, PROTOCOL},
    {"8.3 behind fields", "HEADERS+EH+ES 1 [x-a b] $get;", RESETS, 1, PROTOCOL},
    {"8.3.1 empty :path", "HEADERS+EH+ES 1 [:method GET :scheme http :path - :authority h];", RESETS, 1, PROTOCOL},
    {"8.3.1 no :method", "HEADERS+EH+ES 1 [:scheme http :path / :authority h];", RESETS, 1, PROTOCOL},
    {"8.3.1 no :scheme", "HEADERS+EH+ES 1 [:method GET :path / :authority h];", RESETS, 1, PROTOCOL},
    {"8.3.1 no :path", "HEADERS+EH+ES 1 [:method GET :scheme http :authority h];", RESETS, 1, PROTOCOL},
    {"8.3.1 :method twice", "HEADERS+EH+ES 1 $get [:method GET];", RESETS, 1, PROTOCOL},
    {"8.3.1 a method that does not exist", "HEADERS+EH+ES 1 [:method BREW :scheme http :path / :authority h];", ANSWERS, 1, 501},
    {"8.3.1 a method in small letters", "HEADERS+EH+ES 1 [:method get :scheme http :path / :authority h];", ANSWERS, 1, 501},
    {"8.3.1 a method that nothing here has", "HEADERS+EH+ES 1 [:method PUT :scheme http :path / :authority h];", ANSWERS, 1, 200},
    {"8.3.1 :scheme twice", "HEADERS+EH+ES 1 $get [:scheme http];", RESETS, 1, PROTOCOL},
    {"8.3.1 :path twice", "HEADERS+EH+ES 1 $get [:path /];", RESETS, 1, PROTOCOL},
    {"8.3.1 :authority twice", "HEADERS+EH+ES 1 $get [:authority h];", RESETS, 1, PROTOCOL},
    {"8.3.1 host twice", "HEADERS+EH+ES 1 [:method GET :scheme http :path / host h host h];", RESETS, 1, PROTOCOL},
    {"8.3.1 host alone", "HEADERS+EH+ES 1 [:method GET :scheme http :path / host h];", ANSWERS, 1, 200},
    {"8.3.1 host and :authority", "HEADERS+EH+ES 1 $get [host H];", ANSWERS, 1, 200},
    {"8.3.1 host against :authority", "HEADERS+EH+ES 1 $get [host i];", ANSWERS, 1, 400},
    {"8.3.1 neither", "HEADERS+EH+ES 1 [:method GET :scheme http :path /];", RESETS, 1, PROTOCOL},
    {"8.3.1 user in :authority", "HEADERS+EH+ES 1 [:method GET :scheme http :path / :authority a@h];", ANSWERS, 1, 400},
    {"8.3.1 no path", "HEADERS+EH+ES 1 [:method GET :scheme http :path x :authority h];", RESETS, 1, PROTOCOL},
    {"8.3.1 absolute form", "HEADERS+EH+ES 1 [:method GET :scheme http :path http://h/ :authority h];", RESETS, 1, PROTOCOL},
    {"8.3.1 `*`, GET", "HEADERS+EH+ES 1 [:method GET :scheme http :path * :authority h];", RESETS, 1, PROTOCOL},
    {"8.3.1 `*`, OPTIONS", "HEADERS+EH+ES 1 [:method OPTIONS :scheme http :path * :authority h];", ANSWERS, 1, 200},
    {"8.4 PUSH_PROMISE", "PUSH_PROMISE+EH 1 00000002 $get;", FAILS, 0, PROTOCOL},

    /* 8.5 CONNECT, RFC 8441 section 4 */
    {"8.5 CONNECT", "HEADERS+EH 1 [:method CONNECT :authority h:1];", ANSWERS, 1, 501},
    {"8.5 CONNECT with :path", "HEADERS+EH 1 [:method CONNECT :authority h:1 :path /];", RESETS, 1, PROTOCOL},
    {"8441 4 unknown :protocol", "HEADERS+EH 1 [:method CONNECT :protocol x :scheme http :path / :authority h];", ANSWERS, 1, 501},
    {"8441 4 no :path", "HEADERS+EH 1 [:method CONNECT :protocol websocket :scheme http :authority h];", RESETS, 1, PROTOCOL},
    {"8441 4 no :scheme", "HEADERS+EH 1 [:method CONNECT :protocol websocket :path / :authority h];", RESETS, 1, PROTOCOL},
    {"8441 4 no :authority", "HEADERS+EH 1 [:method CONNECT :protocol websocket :path / :scheme http];", RESETS, 1, PROTOCOL},
    {"8441 4 not by GET", "HEADERS+EH+ES 1 $get [:protocol websocket];", RESETS, 1, PROTOCOL},
    {"8441 5 refused", "HEADERS+EH 1 [:method CONNECT :protocol websocket :scheme http :path /no :authority h];", ANSWERS, 1, 404},

    /* RFC 7541 */
    {"hpack 2.3.3.1 index", "HEADERS+EH+ES 1 $get c6;", FAILS, 0, COMPRESSION},
    {"hpack 2.3.3.2 index of a name", "HEADERS+EH+ES 1 $get 7f07 01 'x';", FAILS, 0, COMPRESSION},
    {"hpack 4.2.1 table size behind fields", "HEADERS+EH+ES 1 $get 21;", FAILS, 0, COMPRESSION},
    {"hpack 5.2.1 padding of more than 7 bits", "HEADERS+EH+ES 1 $get 10 01 'a' 82 1fff;", FAILS, 0, COMPRESSION},
    {"hpack 5.2.2 padding of zeros", "HEADERS+EH+ES 1 $get 10 01 'a' 81 18;", FAILS, 0, COMPRESSION},
    {"hpack 5.2.3 EOS", "HEADERS+EH+ES 1 $get 10 01 'a' 84 ffffffff;", FAILS, 0, COMPRESSION},
    {"hpack 5.1 an integer without an end", "HEADERS+EH+ES 1 $get ff ff*12;", FAILS, 0, COMPRESSION},
    {"hpack 5.2 a string without an end", "HEADERS+EH+ES 1 $get 10 7f;", FAILS, 0, COMPRESSION},
    {"hpack 6.1.1 index 0", "HEADERS+EH+ES 1 $get 80;", FAILS, 0, COMPRESSION},
    {"hpack 6.3.1 table size beyond SETTINGS", "HEADERS+EH+ES 1 3fe21f $get;", FAILS, 0, COMPRESSION},
};
/* clang-format on */

static bool is_quiet(const struct http2_fixture *f)
{
    return http2_sent_count(f, NGHTTP2_GOAWAY, 0) == 0 &&
           http2_sent_count(f, NGHTTP2_RST_STREAM, -1) == 0;
}

static void is_kept(void **state)
{
    struct http2_fixture *f = *state;
    const struct section_case *wanted = f->parameter;

    http2_send(f, wanted->script);
    switch (wanted->expected) {
    case GOES_ON:
        assert_true(is_quiet(f));
        assert_goes_on(f);
        break;
    case ANSWERS:
        assert_answered(f, wanted->id, (int)wanted->code, NULL);
        assert_goes_on(f);
        break;
    case RESETS:
        assert_int_equal(http2_sent_count(f, NGHTTP2_HEADERS, wanted->id), 0);
        assert_reset(f, wanted->id, wanted->code);
        assert_int_equal(f->request_count, 0);
        assert_int_equal(f->malformed_count, 1);
        break;
    case FAILS:
        assert_connection_error(f, wanted->code);
        assert_int_equal(http2_sent_count(f, NGHTTP2_GOAWAY, 0), 1);
        assert_int_equal(f->malformed_count, 1);
        break;
    case ENDS:
        assert_true(is_quiet(f));
        assert_true(f->fake.is_reported);
        break;
    }
}

int main(void)
{
    enum {
        COUNT = sizeof cases / sizeof cases[0],
    };
    static struct CMUnitTest tests[COUNT];

    for (size_t i = 0; i < COUNT; i++)
        tests[i] = (struct CMUnitTest){
            .name = cases[i].section,
            .test_func = is_kept,
            .setup_func = http2_setup,
            .teardown_func = http2_teardown,
            .initial_state = (void *)(uintptr_t)&cases[i],
        };
    return _cmocka_run_group_tests("RFC 9113 and RFC 7541, by section", tests, COUNT, NULL, NULL);
}
