import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.dataformat.cbor.CBORFactory;
import java.nio.file.*;
import java.util.zip.GZIPOutputStream;

// Golden writes the gzip'd CBOR of every .json in a folder, as the Java family's
// serializer writes it: objects and arrays of indefinite length, every whole
// number as a BigInteger and every other as a BigDecimal.
public class Golden {
  public static void main(String[] args) throws Exception {
    try (var files = Files.newDirectoryStream(Path.of(args[0]), "*.json")) {
      for (var file : files) {
        var to = Path.of(file.toString().replace(".json", ".cbor.gz"));
        try (var in = new JsonFactory().createParser(file.toFile());
            var out = new CBORFactory().createGenerator(new GZIPOutputStream(Files.newOutputStream(to)))) {
          for (var t = in.nextToken(); t != null; t = in.nextToken()) {
            switch (t) {
              case START_OBJECT -> out.writeStartObject();
              case END_OBJECT -> out.writeEndObject();
              case START_ARRAY -> out.writeStartArray();
              case END_ARRAY -> out.writeEndArray();
              case FIELD_NAME -> out.writeFieldName(in.currentName());
              case VALUE_STRING -> out.writeString(in.getText());
              case VALUE_NUMBER_INT -> out.writeNumber(in.getBigIntegerValue());
              case VALUE_NUMBER_FLOAT -> out.writeNumber(in.getDecimalValue());
              case VALUE_TRUE, VALUE_FALSE -> out.writeBoolean(in.getBooleanValue());
              case VALUE_NULL -> out.writeNull();
              default -> throw new IllegalStateException(t.toString());
            }
          }
        }
      }
    }
  }
}
