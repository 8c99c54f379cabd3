package com.aliyun.batchcompute.job.logcount;

import com.aliyun.batchcompute.job.logcount.util.Config;
import com.aliyun.batchcompute.job.logcount.util.Store;

/** First step: cuts the log into as many parts as the next step has instances. */
public final class Split {
    public static void main(String[] args) throws Exception {
        Config config = new Config();
        Store store = new Store(config);
        String[] lines = store.read(config.dataPath()).split("(?<=\n)");
        for (int part = 0; part < Config.PARTS; part++) {
            StringBuilder text = new StringBuilder();
            for (int n = part; n < lines.length; n += Config.PARTS) {
                text.append(lines[n]);
            }
            store.write(config.beside("split_results/" + part + ".txt"), text.toString());
        }
    }
}
