/* The documents of S3 services, as Amazon, Ceph and RunPod write them, and as nobody should. */
#include "tap.h"

#include <string.h>

#include "../../src/remote/s3/s3.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS   " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static void errors_are_read(void)
{
    struct mlo_s3_error e;
    static const char amazon[] = HEAD
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'us-east-1' is wrong; "
        "expecting "
        "&apos;eu-west-1&apos;</Message><Region>eu-west-1</Region><Other><Code>x</Code></Other></Error>";
    check(mlo_s3_read_error(amazon, strlen(amazon), &e));
    check_str(e.code, "AuthorizationHeaderMalformed");
    check_str(e.region, "eu-west-1");
    check_str(e.message, "the region 'us-east-1' is wrong; expecting 'eu-west-1'");
    static const char named[] = "<s3:Error xmlns:s3=\"x\"><s3:Code>NoSuchKey</s3:Code></s3:Error>";
    check(mlo_s3_read_error(named, strlen(named), &e));
    check_str(e.code, "NoSuchKey");
    check_str(e.message, "");
}

static void what_is_no_error_is_none(void)
{
    static const char *const texts[] = {"",
                                        "error code: 1010",
                                        "<html><body><Error><Code>x</Code></Error></body></html>",
                                        "<Error><Code>NoSuchKey</Code>",
                                        "<!DOCTYPE Error [<!ENTITY a \"b\">]><Error><Code>&a;</Code></Error>",
                                        "{\"Code\": \"x\"}"};
    for (size_t i = 0; i < MLO_COUNT(texts); i++) {
        struct mlo_s3_error e = {"left", "left", "left"};
        check(!mlo_s3_read_error(texts[i], strlen(texts[i]), &e), "%s", texts[i]);
        check_str(e.code, "");
    }
}

static void a_long_message_is_cut_between_characters(void)
{
    struct mlo_s3_error e;
    char text[2000] = "<Error><Message>", *at = text + strlen(text);
    for (int i = 0; i < 300; i++, at += 2)
        memcpy(at, "\xc3\xbc", 3);
    memcpy(at, "</Message></Error>", 19);
    check(mlo_s3_read_error(text, strlen(text), &e));
    check_int(strlen(e.message), 254);
}

/* ---- listings ---- */

static int read_page(const char *text, struct mlo_s3_page *ret, struct mlo_err *err)
{
    *err = MLO_ERR_INIT;
    return mlo_s3_read_page(text, strlen(text), ret, err);
}

static void pages_are_read(void)
{
    struct mlo_err err;
    struct mlo_s3_page p;
    if (!check_ok(
            read_page(HEAD "<ListBucketResult" NS
                           "><Name>b</Name><Prefix>p/</Prefix><MaxKeys>1000</MaxKeys><KeyCount>3</KeyCount>"
                           "<Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>\n"
                           "<Contents><Key>p/a &amp; b</Key><LastModified>2026-11-21T00:00:00Z</LastModified>"
                           "<ETag>&quot;x&quot;</ETag><Size>12</Size><Owner><ID>i</ID></Owner></Contents>\n"
                           "<Contents><Size>0</Size><Key>p/\xc3\xbc</Key></Contents>"
                           "<CommonPrefixes><Prefix>p/q/</Prefix></CommonPrefixes>"
                           "<NextContinuationToken>1/t=+</NextContinuationToken></ListBucketResult>",
                      &p, &err),
            &err))
        return;
    check_int(p.n, 3);
    check_str(p.list[0].key, "p/a & b");
    check_int(p.list[0].size, 12);
    check_str(p.list[1].key, "p/\xc3\xbc");
    check_str(p.list[2].key, "p/q/");
    check(p.truncated);
    check_str(p.next, "1/t=+");
    mlo_s3_page_release(&p);
    check_ok(read_page("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>", &p, &err),
             &err);
    check(p.n == 0 && !p.truncated && !p.next);
    mlo_s3_page_release(&p);
}

static void pages_that_are_none(void)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "no element"},
        {"<html><title>502</title></html>", "another document"},
        {"<Error><Code>x</Code></Error>", "another document"},
        {"<ListBucketResult><Contents><Key>a</Key><Size>1</Size></Contents>", "not XML"},
        {"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>", "without key or size"},
        {"<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>", "without key or size"},
        {"<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents></ListBucketResult>", "size"},
        {"<ListBucketResult><Contents><Key>a</Key><Size>99999999999999999999</Size></Contents></"
         "ListBucketResult>",
         "size"},
        {"<ListBucketResult></ListBucketResult><x/>", "not XML"},
        {"<!DOCTYPE x><ListBucketResult/>", "document type"},
        {"<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">]><ListBucketResult/>", "document type"},
        {"<ListBucketResult>&unknown;</ListBucketResult>", "not XML"},
        {"<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a/></a></a></a></a></a></a></a></a></a></a></a></"
         "a></a></a>"
         "</a></a>",
         "nested deeper"},
    };
    for (size_t i = 0; i < MLO_COUNT(cases); i++) {
        struct mlo_err err;
        struct mlo_s3_page p;
        check_err(read_page(cases[i].text, &p, &err), MLO_EREMOTE, &err, cases[i].why);
    }
}

static void limits_hold(void)
{
    struct mlo_err err;
    struct mlo_s3_page p;
    MLO_AUTOSTR struct mlo_str s;
    mlo_str_init(&s, MLO_STR_MAX);
    mlo_str_add(&s, "<ListBucketResult><Name>");
    mlo_str_fill(&s, 'n', MLO_S3_TEXT_MAX + 1);
    mlo_str_add(&s, "</Name></ListBucketResult>");
    check_err(read_page(s.ptr, &p, &err), MLO_EREMOTE, &err, "longer than");
    mlo_str_clear(&s);
    mlo_str_add(&s, "<ListBucketResult>");
    for (size_t i = 0; i <= MLO_S3_ENTRIES_MAX; i++)
        mlo_str_add(&s, "<Contents><Key>k</Key><Size>1</Size></Contents>");
    mlo_str_add(&s, "</ListBucketResult>");
    check_err(read_page(s.ptr, &p, &err), MLO_EREMOTE, &err, "entries in a page");
    mlo_str_clear(&s);
    mlo_str_add(&s, "<ListBucketResult>");
    mlo_str_fill(&s, ' ', MLO_S3_XML_MAX);
    mlo_str_add(&s, "</ListBucketResult>");
    check_err(read_page(s.ptr, &p, &err), MLO_EREMOTE, &err, "larger than");
}

/* ---- uploads ---- */

static void parts_are_read(void)
{
    static const char text[] = HEAD
        "<ListPartsResult" NS
        "><Bucket>b</Bucket><UploadId>u</UploadId><PartNumberMarker>0</PartNumberMarker>"
        "<IsTruncated>false</IsTruncated><Part><PartNumber>2</PartNumber><ETag>&quot;b&quot;</ETag><Size>7</"
        "Size></Part>"
        "<Part><PartNumber>10000</PartNumber><Size>1</Size><ETag>x</ETag></Part></ListPartsResult>";
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_s3_parts p;
    if (!check_ok(mlo_s3_read_parts(text, strlen(text), &p, &err), &err))
        return;
    check_int(p.n, 2);
    check_int(p.list[0].number, 2);
    check_int(p.list[0].size, 7);
    check_str(p.list[0].etag, "\"b\"");
    check_int(p.list[1].number, 10000);
    check(!p.truncated);
    mlo_s3_parts_release(&p);
}

static void parts_that_are_none(void)
{
    static const char *const texts[] = {
        "<ListPartsResult><Part><PartNumber>0</PartNumber><ETag>x</ETag><Size>1</Size></Part></"
        "ListPartsResult>",
        "<ListPartsResult><Part><PartNumber>10001</PartNumber><ETag>x</ETag><Size>1</Size></Part></"
        "ListPartsResult>",
        "<ListPartsResult><Part><PartNumber>1</PartNumber><Size>1</Size></Part></ListPartsResult>",
        "<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></ListPartsResult>",
        "<ListBucketResult/>"};
    for (size_t i = 0; i < MLO_COUNT(texts); i++) {
        struct mlo_err err = MLO_ERR_INIT;
        struct mlo_s3_parts p;
        check_err(mlo_s3_read_parts(texts[i], strlen(texts[i]), &p, &err), MLO_EREMOTE, &err, "part");
    }
}

static void uploads_begin_and_end(void)
{
    static const char begin[] = "<InitiateMultipartUploadResult" NS "><Bucket>b</Bucket><Key>k</Key>"
                                "<UploadId>2~a/b+c</UploadId></InitiateMultipartUploadResult>";
    static const char none[] = "<InitiateMultipartUploadResult/>";
    static const char end[] = HEAD "<CompleteMultipartUploadResult" NS
                                   "><ETag>x</ETag></CompleteMultipartUploadResult>";
    static const char bad[] = HEAD "<Error><Code>InvalidPart</Code></Error>";
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_s3_error e;
    char *id = NULL;
    check_ok(mlo_s3_read_upload(begin, strlen(begin), &id, &err), &err);
    check_str(id, "2~a/b+c");
    free(id);
    check_err(mlo_s3_read_upload(none, strlen(none), &id, &err), MLO_EREMOTE, &err, "no id");
    check_ok(mlo_s3_read_complete(end, strlen(end), &e, &err), &err);
    check_str(e.code, "");
    check_ok(mlo_s3_read_complete(bad, strlen(bad), &e, &err), &err);
    check_str(e.code, "InvalidPart");
    check_err(mlo_s3_read_complete(end, strlen(end) - 9, &e, &err), MLO_EREMOTE, &err, "not XML");
}

static int reads_with_little_memory(void)
{
    static const char text[] =
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        "<Contents><Key>a</Key><Size>1</Size></Contents><Contents><Key>b</Key><Size>2</Size></Contents>"
        "</ListBucketResult>";
    struct mlo_err err = MLO_ERR_INIT;
    struct mlo_s3_page p;
    int rc = mlo_s3_read_page(text, strlen(text), &p, &err);
    if (rc == 0)
        mlo_s3_page_release(&p);
    return rc;
}

static void memory_that_runs_out(void)
{
    check(each_alloc_failure(reads_with_little_memory) > 0);
}

int main(void)
{
    run(errors_are_read);
    run(what_is_no_error_is_none);
    run(a_long_message_is_cut_between_characters);
    run(pages_are_read);
    run(pages_that_are_none);
    run(limits_hold);
    run(parts_are_read);
    run(parts_that_are_none);
    run(uploads_begin_and_end);
    run(memory_that_runs_out);
    return done_testing();
}
