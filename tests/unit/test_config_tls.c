/* Certificates and keys as a configuration names them, on this machine. */
#include "tests/unit/tls_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/config_fixture.h"

#define PLAIN "--listen=127.0.0.1:0"
#define TLS   "--listen=tls:127.0.0.1:0"

enum {
    DIR_BYTES = 64,
    COMMAND_BYTES = 128,
};

static struct config_fixture *f;
static char dir[DIR_BYTES];
static struct made made;

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(name, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const struct maker usual = {
    .common_name = "server", .alternatives = "DNS:a.example", .begin_days = -1, .end_days = 9};

/* cert.pem and key.pem, which go together. */
static int begin(void **state)
{
    void *fixture = NULL;

    (void)state;
    if (config_set_up(&fixture) != 0)
        return -1;
    f = fixture;
    f->is_here = true;
    (void)snprintf(dir, sizeof dir, "/dev/shm/sluice-test-tls-XXXXXX");
    if (mkdtemp(dir) == NULL || chdir(dir) != 0)
        return -1;
    make_certificate(&usual, &made);
    write_text("cert.pem", made.chain);
    write_text("key.pem", made.key);
    return 0;
}

static int end(void **state)
{
    void *fixture = f;
    char command[COMMAND_BYTES];

    (void)state;
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    if (chdir("/") != 0 || system(command) != 0) /* NOLINT(cert-env33-c): a directory of ours */
        return -1;
    return config_tear_down(&fixture);
}

#define READ(...) CONFIG_READ(f, "--run-dir=/dev/shm", __VA_ARGS__)

static void assert_doubts(const char *text)
{
    for (size_t i = 0; i < f->config->warnings.count; i++) {
        if (strstr(f->config->warnings.items[i], text) != NULL)
            return;
    }
    fail_msg("no warning says \"%s\"", text);
}

static bool is_doubted(const char *text)
{
    for (size_t i = 0; i < f->config->warnings.count; i++) {
        if (strstr(f->config->warnings.items[i], text) != NULL)
            return true;
    }
    return false;
}

/* --- what belongs together -------------------------------------------------------------------- */

static void a_certificate_and_its_key_are_taken(void **state)
{
    (void)state;
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-key=key.pem"), CONFIG_RUN);
    assert_int_equal(f->config->tls_cert.count, 1);
    assert_false(is_doubted("tls"));
    assert_int_equal(READ(PLAIN, "--broker-listen=tls:127.0.0.1:0", "--tls-cert", "cert.pem",
                          "--tls-key", "key.pem"),
                     CONFIG_RUN);
    assert_false(is_doubted("tls"));
}

static void a_key_may_stand_in_the_certificates_file(void **state)
{
    char both[2 * PEM_BYTES];

    (void)state;
    (void)snprintf(both, sizeof both, "%s%s", made.chain, made.key);
    write_text("both.pem", both);
    assert_int_equal(READ(TLS, "--tls-cert=both.pem"), CONFIG_RUN);
    (void)snprintf(both, sizeof both, "%s%s", made.key, made.chain);
    write_text("both.pem", both);
    assert_int_equal(READ(TLS, "--tls-cert=both.pem"), CONFIG_RUN);
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem"), CONFIG_WRONG);
    config_assert_says(f, "--tls-cert: cert.pem: there is no private key in it");
}

static void pairs_go_by_their_order(void **state)
{
    struct made other;

    (void)state;
    make_certificate(&usual, &other);
    write_text("cert2.pem", other.chain);
    write_text("key2.pem", other.key);
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-key=key.pem", "--tls-cert=cert2.pem",
                          "--tls-key=key2.pem"),
                     CONFIG_RUN);
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-cert=cert2.pem", "--tls-key=key2.pem",
                          "--tls-key=key.pem"),
                     CONFIG_WRONG);
    config_assert_says(f, "--tls-key: key2.pem: the key is not the certificate's (cert.pem)");
    config_assert_says(f, "--tls-key: key.pem: the key is not the certificate's (cert2.pem)");
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-key=key.pem", "--tls-key=key2.pem"),
                     CONFIG_WRONG);
    config_assert_says(f, "--tls-key: key2.pem is one more than there are certificates");
}

static void an_address_with_tls_needs_a_certificate(void **state)
{
    (void)state;
    assert_int_equal(READ(TLS), CONFIG_WRONG);
    config_assert_says(f, "--listen: tls:127.0.0.1:0 needs a certificate: tls-cert");
    assert_int_equal(READ(PLAIN, "--broker-listen=tls:127.0.0.1:0"), CONFIG_WRONG);
    config_assert_says(f, "--broker-listen: tls:127.0.0.1:0 needs a certificate: tls-cert");
}

static void what_is_not_used_is_doubted(void **state)
{
    (void)state;
    assert_int_equal(READ(PLAIN, "--tls-cert=cert.pem", "--tls-key=key.pem"), CONFIG_RUN);
    assert_doubts("--tls-cert: no address begins with tls:");
    assert_int_equal(READ(PLAIN, "--tls-key=key.pem", "--tls-client-ca=cert.pem", "--ktls"),
                     CONFIG_RUN);
    assert_doubts("--tls-key: means nothing without tls-cert");
    assert_doubts("--tls-client-ca: means nothing without tls-cert");
    assert_doubts("--ktls: means nothing without tls-cert");
}

/* --- what is in the files ------------------------------------------------------------------------ */

static void every_bad_file_is_named(void **state)
{
    static const char garbage[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

    (void)state;
    write_text("garbage.pem", garbage);
    write_text("empty.pem", "");
    write_text("text.pem", "no PEM at all\n");
    assert_int_equal(mkdir("directory.pem", 0700), 0);
    assert_int_equal(READ(TLS, "--tls-cert=none.pem", "--tls-cert=garbage.pem",
                          "--tls-cert=empty.pem", "--tls-cert=text.pem", "--tls-cert=directory.pem",
                          "--tls-cert=cert.pem", "--tls-key=key.pem", "--tls-key=key.pem",
                          "--tls-key=key.pem", "--tls-key=key.pem", "--tls-key=key.pem",
                          "--tls-key=none.pem"),
                     CONFIG_WRONG);
    config_assert_says(f, "--tls-cert: none.pem: No such file or directory");
    config_assert_says(f, "--tls-cert: garbage.pem: ");
    config_assert_says(f, "--tls-cert: empty.pem: there is no certificate in it");
    config_assert_says(f, "--tls-cert: text.pem: there is no certificate in it");
    config_assert_says(f, "--tls-cert: directory.pem: Is a directory");
    config_assert_says(f, "--tls-key: none.pem: No such file or directory");
    assert_int_equal(config_count_lines(f->errors), 6);
}

static void a_bad_key_is_named(void **state)
{
    char damaged[PEM_BYTES];

    (void)state;
    memcpy(damaged, made.key, sizeof damaged);
    memcpy(strchr(damaged, '\n') + 5, "!!!!", 4);
    write_text("damaged.pem", damaged);
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-key=damaged.pem"), CONFIG_WRONG);
    config_assert_says(f, "--tls-key: damaged.pem: ");
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-key=cert.pem"), CONFIG_WRONG);
    config_assert_says(f, "--tls-key: cert.pem: there is no private key in it");
}

static void a_chain_that_breaks_off_is_named(void **state)
{
    char chain[2 * PEM_BYTES];

    (void)state;
    (void)snprintf(chain, sizeof chain, "%s%s", made.chain, authority_pem());
    write_text("chain.pem", chain);
    assert_int_equal(READ(TLS, "--tls-cert=chain.pem", "--tls-key=key.pem"), CONFIG_RUN);
    chain[strlen(chain) - 40] = '\0';
    write_text("chain.pem", chain);
    assert_int_equal(READ(TLS, "--tls-cert=chain.pem", "--tls-key=key.pem"), CONFIG_WRONG);
    config_assert_says(f, "--tls-cert: chain.pem: ");
}

/* As `openssl ec -aes256` writes it; the passphrase is "secret". */
static void a_key_under_a_passphrase_is_refused_and_nobody_is_asked(void **state)
{
    (void)state;
    if (system("openssl pkey -in key.pem -aes256 -passout pass:secret -out locked.pem "
               "2>/dev/null") != 0) /* NOLINT(cert-env33-c): a command of ours */
        skip();
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-key=locked.pem"), CONFIG_WRONG);
    config_assert_says(f, "--tls-key: locked.pem: the key is under a passphrase");
}

static void a_weak_key_is_refused(void **state)
{
    struct maker weak = usual;

    (void)state;
    weak.key = MAKE_RSA_WEAK;
    make_certificate(&weak, &made);
    write_text("cert.pem", made.chain);
    write_text("key.pem", made.key);
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-key=key.pem"), CONFIG_WRONG);
    config_assert_says(f, "--tls-cert: cert.pem: OpenSSL refuses it: ee key too small");
}

static void a_time_that_is_over_or_to_come_is_doubted(void **state)
{
    struct maker maker = usual;

    (void)state;
    maker.begin_days = -9;
    maker.end_days = -1;
    make_certificate(&maker, &made);
    write_text("cert.pem", made.chain);
    write_text("key.pem", made.key);
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-key=key.pem"), CONFIG_RUN);
    assert_doubts("--tls-cert: cert.pem: the certificate has expired: ");
    maker.begin_days = 1;
    maker.end_days = 9;
    make_certificate(&maker, &made);
    write_text("cert.pem", made.chain);
    write_text("key.pem", made.key);
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-key=key.pem"), CONFIG_RUN);
    assert_doubts("--tls-cert: cert.pem: the certificate is not valid before ");
}

static void a_second_certificate_without_a_name_is_doubted(void **state)
{
    struct maker nameless = usual;
    struct made other;

    (void)state;
    nameless.alternatives = NULL;
    make_certificate(&nameless, &other);
    write_text("cert2.pem", other.chain);
    write_text("key2.pem", other.key);
    assert_int_equal(READ(TLS, "--tls-cert=cert2.pem", "--tls-key=key2.pem"), CONFIG_RUN);
    assert_false(is_doubted("names no host"));
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-key=key.pem", "--tls-cert=cert2.pem",
                          "--tls-key=key2.pem"),
                     CONFIG_RUN);
    assert_doubts("--tls-cert: cert2.pem: the certificate names no host");
}

static void a_client_ca_must_be_one(void **state)
{
    (void)state;
    write_text("ca.pem", authority_pem());
    write_text("empty.pem", "");
    write_text("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
#define WITH_CA(option) READ(TLS, "--tls-cert=cert.pem", "--tls-key=key.pem", option)
    assert_int_equal(WITH_CA("--tls-client-ca=ca.pem"), CONFIG_RUN);
    assert_int_equal(WITH_CA("--tls-client-ca=none.pem"), CONFIG_WRONG);
    config_assert_says(f, "--tls-client-ca: none.pem: No such file or directory");
    assert_int_equal(WITH_CA("--tls-client-ca=empty.pem"), CONFIG_WRONG);
    config_assert_says(f, "--tls-client-ca: empty.pem: it is empty");
    assert_int_equal(WITH_CA("--tls-client-ca=key.pem"), CONFIG_WRONG);
    config_assert_says(f, "--tls-client-ca: key.pem: there is no certificate in it");
    assert_int_equal(WITH_CA("--tls-client-ca=broken.pem"), CONFIG_WRONG);
    config_assert_says(f, "--tls-client-ca: broken.pem: ");
}

static void no_key_is_ever_shown(void **state)
{
    char inside[33] = {0};

    (void)state;
    memcpy(inside, strchr(made.key, '\n') + 1, sizeof inside - 1);
    assert_int_equal(READ(TLS, "--tls-cert=key.pem", "--tls-key=key.pem"), CONFIG_WRONG);
    assert_null(strstr(f->errors, inside));
    assert_int_equal(READ(TLS, "--tls-cert=cert.pem", "--tls-key=key.pem", "--check-config",
                          "--log-level=debug"),
                     CONFIG_CHECKED);
    assert_null(strstr(f->output, inside));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_certificate_and_its_key_are_taken),
        TEST(a_key_may_stand_in_the_certificates_file),
        TEST(pairs_go_by_their_order),
        TEST(an_address_with_tls_needs_a_certificate),
        TEST(what_is_not_used_is_doubted),
        TEST(every_bad_file_is_named),
        TEST(a_bad_key_is_named),
        TEST(a_chain_that_breaks_off_is_named),
        TEST(a_key_under_a_passphrase_is_refused_and_nobody_is_asked),
        TEST(a_weak_key_is_refused),
        TEST(a_time_that_is_over_or_to_come_is_doubted),
        TEST(a_second_certificate_without_a_name_is_doubted),
        TEST(a_client_ca_must_be_one),
        TEST(no_key_is_ever_shown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
