package com.aliyun.batchcompute.job.logcount.util;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/** The object store with nothing but the standard library. */
public final class Store {
    private final Config config;
    private final HttpClient client = HttpClient.newHttpClient();

    public Store(Config config) {
        this.config = config;
    }

    /** The text of an object. */
    public String read(String path) throws IOException, InterruptedException, GeneralSecurityException {
        return send("GET", path, HttpRequest.BodyPublishers.noBody());
    }

    /** Writes a text. */
    public void write(String path, String text) throws IOException, InterruptedException, GeneralSecurityException {
        send("PUT", path, HttpRequest.BodyPublishers.ofString(text));
    }

    private String send(String method, String path, HttpRequest.BodyPublisher body)
            throws IOException, InterruptedException, GeneralSecurityException {
        String resource = path.substring("oss:/".length());
        String date = DateTimeFormatter.RFC_1123_DATE_TIME.format(ZonedDateTime.now(ZoneOffset.UTC));
        String text = method + "\n\n\n\nx-oss-date:" + date + "\n" + resource;
        Mac mac = Mac.getInstance("HmacSHA1");
        mac.init(new SecretKeySpec(config.accessKey().getBytes(StandardCharsets.UTF_8), "HmacSHA1"));
        String signature = Base64.getEncoder().encodeToString(mac.doFinal(text.getBytes(StandardCharsets.UTF_8)));
        HttpRequest request = HttpRequest.newBuilder(address(resource)).method(method, body)
                .header("x-oss-date", date)
                .header("Authorization", "OSS " + config.accessId() + ":" + signature).build();
        HttpResponse<String> answer = client.send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() / 100 != 2) {
            throw new IOException(method + " " + path + ": " + answer.statusCode() + " " + answer.body());
        }
        return answer.body();
    }

    /** The bucket is part of the host, unless the host is a number or has no domain. */
    private static URI address(String resource) throws IOException {
        String endpoint = System.getenv().getOrDefault("BATCH_COMPUTE_OSS_HOST", "localhost:8002");
        String scheme = endpoint.contains("://") ? endpoint.substring(0, endpoint.indexOf("://")) : "http";
        String host = endpoint.substring(endpoint.contains("://") ? endpoint.indexOf("://") + 3 : 0);
        String name = host.split(":")[0];
        int slash = resource.indexOf('/', 1);
        try {
            if (!name.contains(".") || name.matches("[0-9.]+")) {
                return new URI(scheme, host, resource, null);
            }
            return new URI(scheme, resource.substring(1, slash) + "." + host, resource.substring(slash), null);
        } catch (java.net.URISyntaxException e) {
            throw new IOException(e);
        }
    }
}
