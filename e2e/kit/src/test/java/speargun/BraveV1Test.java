package speargun;

import java.io.IOException;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What Brave reports in the forms of version 1 is what is read. */
class BraveV1Test {
  @ParameterizedTest
  @EnumSource
  void jsonIsReadBack(Transport transport) throws IOException {
    Reporters.assertReadBack(Format.JSON_V1, transport);
  }

  @ParameterizedTest
  @EnumSource
  void thriftIsReadBack(Transport transport) throws IOException {
    Reporters.assertReadBack(Format.THRIFT, transport);
  }
}
