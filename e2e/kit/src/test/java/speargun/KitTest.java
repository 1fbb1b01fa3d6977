package speargun;

import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.TestInfo;
import zipkin2.storage.ITAutocompleteTags;
import zipkin2.storage.ITDependencies;
import zipkin2.storage.ITDependenciesHeavy;
import zipkin2.storage.ITSearchEnabledFalse;
import zipkin2.storage.ITServiceAndSpanNames;
import zipkin2.storage.ITSpanStore;
import zipkin2.storage.ITSpanStoreHeavy;
import zipkin2.storage.ITStrictTraceIdFalse;
import zipkin2.storage.ITTraces;

/**
 * All nine classes of Zipkin's test kit. Each test gets a server of its own, so there is nothing to
 * clear and no way in which one test could help another.
 */
class KitTest {
  /**
   * Whether spans come back as they were reported. In Zipkin's tables of MySQL a span has one row,
   * whoever stored it, and the kit then compares traces whose spans are merged.
   */
  private static final boolean RAW = !System.getProperty("speargun.engine").equals("mysql");

  @Nested
  class SpanStore extends ITSpanStore<HttpStorage> {
    @Override
    protected HttpStorage.Builder newStorageBuilder(TestInfo test) {
      return new HttpStorage.Builder();
    }

    @Override
    protected boolean initializeStoragePerTest() {
      return true;
    }

    @Override
    protected boolean returnsRawSpans() {
      return RAW;
    }

    @Override
    protected void clear() {}
  }

  @Nested
  class SpanStoreHeavy extends ITSpanStoreHeavy<HttpStorage> {
    @Override
    protected HttpStorage.Builder newStorageBuilder(TestInfo test) {
      return new HttpStorage.Builder();
    }

    @Override
    protected boolean initializeStoragePerTest() {
      return true;
    }

    @Override
    protected boolean returnsRawSpans() {
      return RAW;
    }

    @Override
    protected void clear() {}
  }

  @Nested
  class Traces extends ITTraces<HttpStorage> {
    @Override
    protected HttpStorage.Builder newStorageBuilder(TestInfo test) {
      return new HttpStorage.Builder();
    }

    @Override
    protected boolean initializeStoragePerTest() {
      return true;
    }

    @Override
    protected boolean returnsRawSpans() {
      return RAW;
    }

    @Override
    protected void clear() {}
  }

  @Nested
  class ServiceAndSpanNames extends ITServiceAndSpanNames<HttpStorage> {
    @Override
    protected HttpStorage.Builder newStorageBuilder(TestInfo test) {
      return new HttpStorage.Builder();
    }

    @Override
    protected boolean initializeStoragePerTest() {
      return true;
    }

    @Override
    protected boolean returnsRawSpans() {
      return RAW;
    }

    @Override
    protected void clear() {}
  }

  @Nested
  class Dependencies extends ITDependencies<HttpStorage> {
    @Override
    protected HttpStorage.Builder newStorageBuilder(TestInfo test) {
      return new HttpStorage.Builder();
    }

    @Override
    protected boolean initializeStoragePerTest() {
      return true;
    }

    @Override
    protected boolean returnsRawSpans() {
      return RAW;
    }

    @Override
    protected void clear() {}
  }

  @Nested
  class DependenciesHeavy extends ITDependenciesHeavy<HttpStorage> {
    @Override
    protected HttpStorage.Builder newStorageBuilder(TestInfo test) {
      return new HttpStorage.Builder();
    }

    @Override
    protected boolean initializeStoragePerTest() {
      return true;
    }

    @Override
    protected boolean returnsRawSpans() {
      return RAW;
    }

    @Override
    protected void clear() {}
  }

  @Nested
  class AutocompleteTags extends ITAutocompleteTags<HttpStorage> {
    @Override
    protected HttpStorage.Builder newStorageBuilder(TestInfo test) {
      return new HttpStorage.Builder();
    }

    @Override
    protected boolean initializeStoragePerTest() {
      return true;
    }

    @Override
    protected boolean returnsRawSpans() {
      return RAW;
    }

    @Override
    protected void clear() {}
  }

  @Nested
  class SearchEnabledFalse extends ITSearchEnabledFalse<HttpStorage> {
    @Override
    protected HttpStorage.Builder newStorageBuilder(TestInfo test) {
      return new HttpStorage.Builder();
    }

    @Override
    protected boolean initializeStoragePerTest() {
      return true;
    }

    @Override
    protected boolean returnsRawSpans() {
      return RAW;
    }

    @Override
    protected void clear() {}
  }

  @Nested
  class StrictTraceIdFalse extends ITStrictTraceIdFalse<HttpStorage> {
    @Override
    protected HttpStorage.Builder newStorageBuilder(TestInfo test) {
      return new HttpStorage.Builder();
    }

    @Override
    protected boolean initializeStoragePerTest() {
      return true;
    }

    @Override
    protected boolean returnsRawSpans() {
      return RAW;
    }

    @Override
    protected void clear() {}
  }
}
