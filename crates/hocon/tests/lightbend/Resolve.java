import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigList;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigValue;
import java.io.File;
import java.io.FileInputStream;
import java.io.PrintStream;
import java.util.Properties;
import java.util.TreeMap;

/** Prints what the Lightbend library makes of each file, one line a file: name, "ok" or "error", JSON or message. */
public class Resolve {
  public static void main(String[] names) throws Exception {
    PrintStream out = new PrintStream(System.out, false, "UTF-8");
    for (String name : names) {
      String outcome;
      try {
        Config config = ConfigFactory.parseFile(new File(name));
        File settings = new File(name.replaceAll("\\.conf$", ".settings"));
        if (settings.exists()) {
          Properties properties = new Properties();
          try (FileInputStream stream = new FileInputStream(settings)) {
            properties.load(stream);
          }
          config = ConfigFactory.parseProperties(properties).withFallback(config);
        }
        StringBuilder json = new StringBuilder();
        print(config.resolve().root(), json);
        outcome = "ok\t" + json;
      } catch (Throwable error) {
        outcome = "error\t" + String.valueOf(error).replaceAll("\\s+", " ");
      }
      out.println(name + "\t" + outcome);
    }
    out.flush();
  }

  /** Numbers become an object with their text, so that 1 and 1.0 stay apart. */
  static void print(ConfigValue value, StringBuilder json) {
    switch (value.valueType()) {
      case OBJECT:
        json.append('{');
        String separator = "";
        for (var field : new TreeMap<>((ConfigObject) value).entrySet()) {
          json.append(separator);
          text(field.getKey(), json);
          json.append(':');
          print(field.getValue(), json);
          separator = ",";
        }
        json.append('}');
        break;
      case LIST:
        json.append('[');
        String comma = "";
        for (ConfigValue item : (ConfigList) value) {
          json.append(comma);
          print(item, json);
          comma = ",";
        }
        json.append(']');
        break;
      case NUMBER:
        json.append("{\"\\u0000number\":");
        text(value.atKey("x").getString("x"), json);
        json.append('}');
        break;
      case STRING:
        text((String) value.unwrapped(), json);
        break;
      default:
        json.append(value.unwrapped());
    }
  }

  static void text(String text, StringBuilder json) {
    json.append('"');
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') json.append('\\').append(c);
      else if (c < 0x20 || c > 0x7e) json.append(String.format("\\u%04x", (int) c));
      else json.append(c);
    }
    json.append('"');
  }
}
