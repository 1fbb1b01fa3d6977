package speargun;

import java.io.IOException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What Brave reports in the forms of today is what is read. */
class BraveTest {
  @ParameterizedTest
  @EnumSource
  void jsonIsReadBack(Transport transport) throws IOException {
    Reporters.assertReadBack(Format.JSON_V2, transport);
  }

  @ParameterizedTest
  @EnumSource
  void protobufIsReadBack(Transport transport) throws IOException {
    Reporters.assertReadBack(Format.PROTO3, transport);
  }
}
