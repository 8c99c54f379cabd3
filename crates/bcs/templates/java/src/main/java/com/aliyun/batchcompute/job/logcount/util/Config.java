package com.aliyun.batchcompute.job.logcount.util;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;

/** What stands in config.properties. */
public final class Config {
    /** As many as the job has instances of Count. */
    public static final int PARTS = 3;

    private final Properties values = new Properties();

    public Config() {
        try (InputStream in = Config.class.getResourceAsStream("/config.properties")) {
            values.load(in);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public String accessId() {
        return values.getProperty("accessId", "").trim();
    }

    public String accessKey() {
        return values.getProperty("accessKey", "").trim();
    }

    /** The log. */
    public String dataPath() {
        return values.getProperty("dataPath", "").trim();
    }

    /** A place beside the log. */
    public String beside(String name) {
        String path = dataPath();
        return path.substring(0, path.lastIndexOf('/') + 1) + name;
    }
}
