#include "server/graphql/lexer.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "bus/check.h"
#include "server/graphql/block_string.h"
#include "server/graphql/region.h"
#include "server/json/json.h"
#include "server/json/utf8.h"

/*
 * What a byte is. The low bits say what a token that begins with it is: a kind, or one of the
 * actions below; 0, TOKEN_FAILED, where no token can begin.
 */
enum {
    TRAIT_BEGINS = 0x1F,
    TRAIT_NAME = 0x20, /* goes on with a name */
    TRAIT_DIGIT = 0x40,
    TRAIT_STOP = 0x80, /* ends the plain run inside of a string, or a comment */

    BEGINS_IGNORED = TOKEN_KIND_COUNT,
    BEGINS_COMMENT,
    BEGINS_BOM, /* perhaps: the first of three bytes */
};

static_assert(BEGINS_BOM <= TRAIT_BEGINS, "kinds and actions fit into the low bits");

/* clang-format off */
#define O TOKEN_FAILED
#define W BEGINS_IGNORED
#define L (BEGINS_IGNORED | TRAIT_STOP)
#define N (TOKEN_NAME | TRAIT_NAME)
#define D (TOKEN_INT | TRAIT_NAME | TRAIT_DIGIT)
static const uint8_t traits[256] = {
    /* 00 */ O, O, O, O, O, O, O, O, O, W, L, O, O, L, O, O,
    /* 10 */ O, O, O, O, O, O, O, O, O, O, O, O, O, O, O, O,
    /* 20 */ W, TOKEN_BANG, TOKEN_STRING | TRAIT_STOP, BEGINS_COMMENT,
    /* 24 */ TOKEN_DOLLAR, O, TOKEN_AMP, O,
    /* 28 */ TOKEN_PAREN_L, TOKEN_PAREN_R, O, O, W, TOKEN_INT, TOKEN_SPREAD, O,
    /* 30 */ D, D, D, D, D, D, D, D, D, D, TOKEN_COLON, O, O, TOKEN_EQUALS, O, O,
    /* 40 */ TOKEN_AT, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N,
    /* 50 */ N, N, N, N, N, N, N, N, N, N, N, TOKEN_BRACKET_L, O | TRAIT_STOP, TOKEN_BRACKET_R, O, N,
    /* 60 */ O, N, N, N, N, N, N, N, N, N, N, N, N, N, N, N,
    /* 70 */ N, N, N, N, N, N, N, N, N, N, N, TOKEN_BRACE_L, TOKEN_PIPE, TOKEN_BRACE_R, O, O,
    [0xEF] = BEGINS_BOM,
};
#undef O
#undef W
#undef L
#undef N
#undef D
/* clang-format on */

static const char *const kind_names[] = {
    [TOKEN_FAILED] = "nothing",  [TOKEN_EOF] = "<EOF>",      [TOKEN_BANG] = "\"!\"",
    [TOKEN_DOLLAR] = "\"$\"",    [TOKEN_AMP] = "\"&\"",      [TOKEN_PAREN_L] = "\"(\"",
    [TOKEN_PAREN_R] = "\")\"",   [TOKEN_SPREAD] = "\"...\"", [TOKEN_COLON] = "\":\"",
    [TOKEN_EQUALS] = "\"=\"",    [TOKEN_AT] = "\"@\"",       [TOKEN_BRACKET_L] = "\"[\"",
    [TOKEN_BRACKET_R] = "\"]\"", [TOKEN_BRACE_L] = "\"{\"",  [TOKEN_PIPE] = "\"|\"",
    [TOKEN_BRACE_R] = "\"}\"",   [TOKEN_NAME] = "Name",      [TOKEN_INT] = "Int",
    [TOKEN_FLOAT] = "Float",     [TOKEN_STRING] = "String",  [TOKEN_BLOCK_STRING] = "BlockString",
};

static_assert(sizeof kind_names / sizeof kind_names[0] == TOKEN_KIND_COUNT, "each has a name");

const char *token_kind_name(enum token_kind kind)
{
    CHECK(kind < TOKEN_KIND_COUNT);
    return kind_names[kind];
}

const char *token_describe(const struct token *token, struct region *region)
{
    if (token->kind < TOKEN_NAME)
        return token_kind_name(token->kind);
    return region_printf(region, "%s \"%.*s\"", token_kind_name(token->kind), (int)token->text.size,
                         token->text.bytes);
}

void lexer_init(struct lexer *lexer, const struct ast_document *document, struct region *region,
                struct graphql_errors *errors)
{
    struct ast_text source = document->source;
    const uint8_t *begin = (const uint8_t *)(source.size > 0 ? source.bytes : "");

    *lexer = (struct lexer){
        .document = document,
        .region = region,
        .errors = errors,
        .begin = begin,
        .at = begin,
        .end = begin + source.size,
    };
}

void lexer_fail(struct lexer *lexer, enum graphql_code code, uint32_t at, const char *format, ...)
{
    struct graphql_error *error;
    const char *message;
    va_list arguments;

    if (lexer->has_failed)
        return;
    lexer->has_failed = true;
    va_start(arguments, format);
    message = region_vprintf(lexer->region, format, arguments);
    va_end(arguments);
    if (message == NULL)
        return;
    error = graphql_errors_add(lexer->errors, code, "Syntax Error: %s", message);
    graphql_error_locate(lexer->errors, error, lexer->document, at);
}

static uint32_t offset_of(const struct lexer *lexer, const uint8_t *at)
{
    return (uint32_t)(at - lexer->begin);
}

bool lexer_check_source(struct lexer *lexer)
{
    const uint8_t *at = lexer->at;

    if (utf8_is_valid(lexer->document->source.bytes, lexer->document->source.size))
        return true;
    for (;;) {
        size_t length = *at < 0x80 ? 1 : utf8_multibyte(at, (size_t)(lexer->end - at));

        if (length == 0)
            break;
        at += length;
    }
    lexer_fail(lexer, GRAPHQL_PARSE_FAILED, offset_of(lexer, at),
               "Invalid character: byte 0x%02X is not UTF-8.", *at);
    return false;
}

/* The byte @ahead of @at, or 0 where the source ends: no token goes on with 0. */
static uint8_t peek(const struct lexer *lexer, const uint8_t *at, size_t ahead)
{
    return (size_t)(lexer->end - at) > ahead ? at[ahead] : 0;
}

static bool is_digit(const struct lexer *lexer, const uint8_t *at)
{
    return at < lexer->end && (traits[*at] & TRAIT_DIGIT) != 0;
}

/* The character at @at, which is not the end. */
static uint32_t character_at(const uint8_t *at)
{
    if (at[0] < 0x80)
        return at[0];
    if (at[0] < 0xE0)
        return (uint32_t)(at[0] & 0x1F) << 6 | (at[1] & 0x3F);
    if (at[0] < 0xF0)
        return (uint32_t)(at[0] & 0x0F) << 12 | (uint32_t)(at[1] & 0x3F) << 6 | (at[2] & 0x3F);
    return (uint32_t)(at[0] & 0x07) << 18 | (uint32_t)(at[1] & 0x3F) << 12 |
           (uint32_t)(at[2] & 0x3F) << 6 | (at[3] & 0x3F);
}

/* `"a"`, `U+00E9`, `<EOF>`: for messages that end with it; NULL: no memory. */
static const char *describe_character(const struct lexer *lexer, const uint8_t *at)
{
    uint32_t character;

    if (at == lexer->end)
        return token_kind_name(TOKEN_EOF);
    character = character_at(at);
    if (character == '"')
        return "'\"'";
    if (character >= 0x20 && character < 0x7F)
        return region_printf(lexer->region, "\"%c\"", (int)character);
    return region_printf(lexer->region, "U+%04X", character);
}

/* The message, which ends with what stands at @at. */
static void fail_at_character(struct lexer *lexer, const uint8_t *at, const char *message)
{
    const char *description = describe_character(lexer, at);

    if (description == NULL)
        lexer->has_failed = true;
    else
        lexer_fail(lexer, GRAPHQL_PARSE_FAILED, offset_of(lexer, at), "%s: %s.", message,
                   description);
}

/* How many bytes @units of UTF-16 are; a character of two is not cut. */
static int bytes_of_units(const struct lexer *lexer, const uint8_t *at, uint32_t units)
{
    const uint8_t *begin = at;

    while (units > 0 && at < lexer->end) {
        size_t length = *at < 0x80 ? 1 : *at < 0xE0 ? 2 : *at < 0xF0 ? 3 : 4;

        units -= length == 4 && units > 1 ? 2 : 1;
        at += length;
    }
    return (int)(at - begin);
}

static void fail_at_escape(struct lexer *lexer, const uint8_t *at, const char *what, uint32_t units)
{
    lexer_fail(lexer, GRAPHQL_PARSE_FAILED, offset_of(lexer, at), "Invalid %s sequence: \"%.*s\".",
               what, bytes_of_units(lexer, at, units), (const char *)at);
}

static bool is_scalar_value(uint32_t character)
{
    return character < 0xD800 || (character > 0xDFFF && character <= 0x10FFFF);
}

/* `\u{…}`: returns the bytes of the escape, or 0 after an error. */
static size_t read_escape_braced(struct lexer *lexer, const uint8_t *at, uint32_t *ret_character)
{
    enum {
        LENGTH_MAX = 12, /* \u{00000000} */
    };
    uint32_t length = 3;
    uint32_t character = 0;

    while (length < LENGTH_MAX) {
        uint8_t c = peek(lexer, at, length++);
        int digit = json_hex_digit(c);

        if (c == '}' && length > 4 && is_scalar_value(character)) {
            *ret_character = character;
            return length;
        }
        if (digit < 0 || character > 0x7FFFFFF)
            break;
        character = character << 4 | (uint32_t)digit;
    }
    fail_at_escape(lexer, at, "Unicode escape", length);
    return 0;
}

/* Four hexadecimal digits; above 0xFFFF: they are none. */
static uint32_t hex4(const struct lexer *lexer, const uint8_t *at)
{
    uint32_t value = 0;

    for (size_t i = 0; i < 4; i++) {
        int digit = json_hex_digit(peek(lexer, at, i));

        if (digit < 0)
            return UINT32_MAX;
        value = value << 4 | (uint32_t)digit;
    }
    return value;
}

/* `\u0041`, or two of them that are a surrogate pair; as above. */
static size_t read_escape_fixed(struct lexer *lexer, const uint8_t *at, uint32_t *ret_character)
{
    uint32_t high = hex4(lexer, at + 2);

    if (is_scalar_value(high)) {
        *ret_character = high;
        return 6;
    }
    if (high >= 0xD800 && high <= 0xDBFF && peek(lexer, at, 6) == '\\' &&
        peek(lexer, at, 7) == 'u') {
        uint32_t low = hex4(lexer, at + 8);

        if (low >= 0xDC00 && low <= 0xDFFF) {
            *ret_character = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            return 12;
        }
    }
    fail_at_escape(lexer, at, "Unicode escape", 6);
    return 0;
}

/* The escape at @at, a backslash; as above. */
static size_t read_escape(struct lexer *lexer, const uint8_t *at, uint32_t *ret_character)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    uint8_t c = peek(lexer, at, 1);
    const char *letter;

    if (c == 'u')
        return peek(lexer, at, 2) == '{' ? read_escape_braced(lexer, at, ret_character)
                                         : read_escape_fixed(lexer, at, ret_character);
    letter = c != '\0' ? strchr(letters, c) : NULL;
    if (letter == NULL) {
        fail_at_escape(lexer, at, "character escape", 2);
        return 0;
    }
    *ret_character = (uint8_t)values[letter - letters];
    return 2;
}

/* The text between @at and @end with its escapes, which have been checked, resolved. */
static void decode_string(struct lexer *lexer, const uint8_t *at, const uint8_t *end,
                          struct token *token)
{
    char *begin = region_alloc(lexer->region, (size_t)(end - at)); /* no escape grows */
    char *out = begin;

    if (begin == NULL) {
        lexer->has_failed = true;
        return;
    }
    while (at < end) {
        const uint8_t *escape = memchr(at, '\\', (size_t)(end - at));
        size_t run_bytes = (size_t)((escape != NULL ? escape : end) - at);
        uint32_t character;

        memcpy(out, at, run_bytes);
        out += run_bytes;
        at += run_bytes;
        if (at < end) {
            size_t length = read_escape(lexer, at, &character);

            CHECK(length > 0);
            at += length;
            out += utf8_encode(out, character);
        }
    }
    token->text = (struct ast_text){begin, (uint32_t)(out - begin)};
}

static void read_string(struct lexer *lexer, struct token *token)
{
    const uint8_t *begin = lexer->at + 1;
    const uint8_t *at = begin;
    bool has_escapes = false;
    uint32_t character;

    for (;;) {
        size_t length;

        while (at < lexer->end && (traits[*at] & TRAIT_STOP) == 0)
            at++;
        if (at == lexer->end || *at != '\\')
            break;
        length = read_escape(lexer, at, &character);
        if (length == 0)
            return;
        at += length;
        has_escapes = true;
    }
    if (at == lexer->end || *at != '"') {
        lexer_fail(lexer, GRAPHQL_PARSE_FAILED, offset_of(lexer, at), "Unterminated string.");
        return;
    }
    lexer->at = at + 1;
    if (has_escapes)
        decode_string(lexer, begin, at, token);
    else
        token->text = (struct ast_text){(const char *)begin, (uint32_t)(at - begin)};
}

static void read_block_string(struct lexer *lexer, struct token *token)
{
    const uint8_t *begin = lexer->at + 3;
    const uint8_t *at = begin;

    token->kind = TOKEN_BLOCK_STRING;
    for (;;) {
        at = memchr(at, '"', (size_t)(lexer->end - at));
        if (at == NULL) {
            lexer_fail(lexer, GRAPHQL_PARSE_FAILED, offset_of(lexer, lexer->end),
                       "Unterminated string.");
            return;
        }
        if (peek(lexer, at, 1) != '"' || peek(lexer, at, 2) != '"')
            at++;
        else if (at > begin && at[-1] == '\\')
            at += 3;
        else
            break;
    }
    lexer->at = at + 3;
    if (!block_string_decode((struct ast_text){(const char *)begin, (uint32_t)(at - begin)},
                             lexer->region, &token->text))
        lexer->has_failed = true;
}

static const uint8_t *read_digits(struct lexer *lexer, const uint8_t *at)
{
    if (!is_digit(lexer, at)) {
        fail_at_character(lexer, at, "Invalid number, expected digit but got");
        return at;
    }
    while (is_digit(lexer, at))
        at++;
    return at;
}

static void read_number(struct lexer *lexer, struct token *token)
{
    const uint8_t *begin = lexer->at;
    const uint8_t *at = begin;

    if (*at == '-')
        at++;
    if (peek(lexer, at, 0) == '0') {
        at++;
        if (is_digit(lexer, at))
            fail_at_character(lexer, at, "Invalid number, unexpected digit after 0");
    } else {
        at = read_digits(lexer, at);
    }
    if (!lexer->has_failed && peek(lexer, at, 0) == '.') {
        token->kind = TOKEN_FLOAT;
        at = read_digits(lexer, at + 1);
    }
    if (!lexer->has_failed && (peek(lexer, at, 0) | 0x20) == 'e') {
        token->kind = TOKEN_FLOAT;
        at++;
        if (peek(lexer, at, 0) == '+' || peek(lexer, at, 0) == '-')
            at++;
        at = read_digits(lexer, at);
    }
    if (peek(lexer, at, 0) == '.' || (traits[peek(lexer, at, 0)] & TRAIT_NAME) != 0)
        fail_at_character(lexer, at, "Invalid number, expected digit but got");
    token->text = (struct ast_text){(const char *)begin, (uint32_t)(at - begin)};
    lexer->at = at;
}

static void fail_at_token(struct lexer *lexer)
{
    if (*lexer->at == '\'')
        lexer_fail(lexer, GRAPHQL_PARSE_FAILED, offset_of(lexer, lexer->at),
                   "Unexpected single quote character ('), did you mean to use a double quote "
                   "(\")?");
    else
        fail_at_character(lexer, lexer->at, "Unexpected character");
}

/* Past what means nothing, comments and byte order marks too; where the next token begins. */
static __attribute__((noinline)) const uint8_t *skip_ignored(const struct lexer *lexer,
                                                             const uint8_t *at)
{
    for (; at < lexer->end; at++) {
        unsigned begins = traits[*at] & TRAIT_BEGINS;

        if (begins == BEGINS_COMMENT) {
            while (at + 1 < lexer->end && at[1] != '\n' && at[1] != '\r')
                at++;
        } else if (begins == BEGINS_BOM) {
            if (peek(lexer, at, 1) != 0xBB || peek(lexer, at, 2) != 0xBF)
                break;
            at += 2;
        } else if (begins != BEGINS_IGNORED) {
            break;
        }
    }
    return at;
}

/*
 * What is neither a name nor a punctuator of one character, at lexer->at. Not inline: what it needs
 * of registers and stack would be saved for every name.
 */
static __attribute__((noinline)) void read_other(struct lexer *lexer, unsigned begins,
                                                 struct token *token)
{
    const uint8_t *at = lexer->at;

    switch (begins) {
    case TOKEN_INT:
        read_number(lexer, token);
        break;
    case TOKEN_STRING:
        if (peek(lexer, at, 1) == '"' && peek(lexer, at, 2) == '"')
            read_block_string(lexer, token);
        else
            read_string(lexer, token);
        break;
    case TOKEN_SPREAD:
        if (peek(lexer, at, 1) == '.' && peek(lexer, at, 2) == '.')
            lexer->at = at + 3;
        else
            fail_at_token(lexer);
        break;
    case TOKEN_EOF:
        break;
    default:
        fail_at_token(lexer);
        break;
    }
}

/*
 * Names and punctuators are nearly all tokens: each has a branch of its own, which the processor
 * foresees better than the jump of one switch over all kinds (a third of the time for a token).
 */
void lexer_next(struct lexer *lexer, struct token *ret_token)
{
    const uint8_t *end = lexer->end;
    const uint8_t *at = lexer->at;
    const uint8_t *begin;
    unsigned begins;

    while (at < end && (traits[*at] & TRAIT_BEGINS) == BEGINS_IGNORED)
        at++;
    if (at < end && (traits[*at] & TRAIT_BEGINS) > BEGINS_IGNORED)
        at = skip_ignored(lexer, at);
    begin = at;
    begins = at < end ? traits[*at] & TRAIT_BEGINS : (unsigned)TOKEN_EOF;
    ret_token->kind = (enum token_kind)begins;
    ret_token->at = offset_of(lexer, begin);
    ret_token->text = (struct ast_text){NULL, 0};
    if (begins == TOKEN_NAME) {
        do
            at++;
        while (at < end && (traits[*at] & TRAIT_NAME) != 0);
        ret_token->text = (struct ast_text){(const char *)begin, (uint32_t)(at - begin)};
        lexer->at = at;
    } else if (begins >= TOKEN_BANG && begins <= TOKEN_BRACE_R && begins != TOKEN_SPREAD) {
        lexer->at = at + 1;
    } else {
        lexer->at = at;
        read_other(lexer, begins, ret_token);
    }
    if (lexer->has_failed)
        ret_token->kind = TOKEN_FAILED;
}
