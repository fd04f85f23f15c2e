using Atoll.Contracts;
using Atoll.Platform.Blobs;
using Atoll.Platform.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;

namespace Atoll.Tests.Platform.Http;

public sealed class ErrorHandlingTests(TestServer server) : IClassFixture<TestServer>
{
    public static TheoryData<Exception, string> StorageFailures => new()
    {
        { new IOException("Input/output error", 5), "the disk has to be checked" },
        { new SqliteException("disk I/O error", 10), "the disk has to be checked" },
        { new IOException("No space left on device", 28), "The disk is full." },
        { new SqliteException("database or disk is full", 13), "The disk is full." },
    };

    [Fact]
    public void Only_what_the_blob_store_misses_is_called_damaged()
    {
        var missing = new BlobMissingException("d1", new FileNotFoundException());
        Assert.Equal(ProblemCodes.ArtifactDamaged, Explain(missing));
        Assert.Equal(ProblemCodes.ArtifactDamaged, Explain(new InvalidOperationException("The model could not be loaded.", missing)));
        foreach (var other in (Exception[])[new FileNotFoundException(), new DirectoryNotFoundException()])
        {
            Assert.Equal(ProblemCodes.InternalError, Explain(other));
            Assert.Equal(ProblemCodes.InternalError, Explain(new InvalidOperationException("", other)));
        }

        static string Explain(Exception failure) => ErrorHandling.Explain(NullLogger.Instance, new DefaultHttpContext(), failure).Code;
    }

    [Theory]
    [MemberData(nameof(StorageFailures))]
    public async Task A_failing_disk_answers_503_with_what_to_do(Exception failure, string expected)
    {
        var context = new DefaultHttpContext { RequestServices = server.Server.Services };
        context.Response.Body = new MemoryStream();
        Assert.True(await new ErrorHandling(NullLogger<ErrorHandling>.Instance).TryHandleAsync(context, failure, TestContext.Current.CancellationToken));
        Assert.Equal(503, context.Response.StatusCode);
        Assert.Contains(expected, System.Text.Encoding.UTF8.GetString(((MemoryStream)context.Response.Body).ToArray()));
    }
}
