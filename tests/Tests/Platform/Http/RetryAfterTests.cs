using System.Collections.Frozen;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Atoll.Platform.Blobs;
using Atoll.Platform.Http;
using Atoll.Platform.Limits;
using Atoll.Platform.Security;
using Atoll.Prediction;
using Atoll.Serving.Onnx;
using Atoll.Tests.Prediction;
using Microsoft.AspNetCore.Http;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using Route = Atoll.Deployments.Route;

namespace Atoll.Tests.Platform.Http;

/// <summary>Whoever is refused for now is told when to come back, whatever refuses and in whichever protocol.</summary>
public sealed class RetryAfterTests(TestServer server) : IClassFixture<TestServer>
{
    // A new refusal that passes by itself needs a thought about when that is, and then its line here.
    private static readonly string[] Passing =
    [
        "DeploymentProblems.NoRoomToPin 503",
        "DeploymentProblems.NotLoadable 503",
        "EinsteinProblems.PreparationTakesLong 503",
        "EinsteinProblems.QuotaReached 429",
        "LimitProblems.ModelCacheShareFull 429",
        "LimitProblems.TooManyModelLoads 429",
        "LimitProblems.TooManyPredictions 429",
        "LimitProblems.TooManyQueuedJobs 429",
        "LimitProblems.TooManyWaitingModelLoads 429",
        "LimitProblems.TooManyWaitingPredictions 429",
        "OpenInferenceProblems.NoRoom 503",
        "OpenInferenceProblems.TimedOut 503",
        "PredictionProblems.Busy 503",
        "PredictionProblems.NoRoom 503",
        "PredictionProblems.TooLate 503",
        "PredictionProblems.TooManyAnswers 429",
        "TenancyProblems.TooManyFailedCredentials 429",
    ];

    [Fact]
    public async Task Every_refusal_that_passes_says_when_in_every_protocol()
    {
        var passing = Refusals().Where(refusal => refusal.Problem.Status is 429 or 503).ToList();
        Assert.Equal(Passing, passing.Select(refusal => $"{refusal.Name} {refusal.Problem.Status}").Order(StringComparer.Ordinal));
        foreach (var (name, problem) in passing)
        {
            foreach (var path in (string[])["/api/v1/runs", "/v2/models/m/infer", "/v2/vision/predict"])
            {
                var context = Context(path);
                await ProblemWriter.WriteAsync(context, problem);
                Assert.True(int.Parse(context.Response.Headers.RetryAfter.ToString(), CultureInfo.InvariantCulture) > 0, $"{name} at {path}");
            }
            var handler = Context("/api/v1/runs");
            await problem.ToResult(handler.Response).ExecuteAsync(handler);
            Assert.NotEmpty(handler.Response.Headers.RetryAfter.ToString());

            var call = Context("/inference.GRPCInferenceService/ModelInfer");
            call.Request.ContentType = "application/grpc";
            await ProblemWriter.WriteAsync(call, problem);
            Assert.NotEmpty(call.Response.Headers["grpc-retry-pushback-ms"].ToString());
            Assert.NotEmpty(call.Response.Headers.RetryAfter.ToString());
        }
    }

    [Fact]
    public async Task Every_exception_that_becomes_503_says_when()
    {
        foreach (var failure in (Exception[])[new IOException("", 5), new IOException("", 28), new SqliteException("", 5), new SqliteException("", 10), new SqliteException("", 13), new BlobMissingException("0", new FileNotFoundException())])
        {
            var context = Context("/api/v1/runs");
            Assert.True(await new ErrorHandling(NullLogger<ErrorHandling>.Instance).TryHandleAsync(context, failure, TestContext.Current.CancellationToken));
            Assert.Equal(503, context.Response.StatusCode);
            Assert.True(int.Parse(context.Response.Headers.RetryAfter.ToString(), CultureInfo.InvariantCulture) >= 5, failure.GetType().Name);
        }
    }

    /// <summary>All refusals of all modules, each with made-up details.</summary>
    private static IEnumerable<(string Name, Problem Problem)> Refusals()
    {
        var route = new Route("tnt_1", "e", "m", 1, null, new string('0', 64), new string('0', 64), 1, PredictionModels.Price().Signature);
        var plan = SamplePlan.Of(route);
        object Make(Type type) => type switch
        {
            _ when type == typeof(Problem) => HttpProblems.InvalidField("f", "is wrong", "Mend it."),
            _ when type == typeof(string) => "1",
            _ when type == typeof(int) => 1,
            _ when type == typeof(long) => 1L,
            _ when type == typeof(TimeSpan) => TimeSpan.FromMilliseconds(2_500),
            _ when type == typeof(TenantLimits) => new TenantLimits(),
            _ when type == typeof(Route) => route,
            _ when type == typeof(Caller) => new Caller("tnt_1", "t", "prn_1", "p", []),
            _ when type == typeof(SamplePlan) => plan,
            _ when type == typeof(SampleColumn) => plan.Columns[0],
            _ when type == typeof(JsonException) => new JsonException(),
            _ when type == typeof(TensorElementType) => TensorElementType.Float,
            _ when type.IsAssignableFrom(typeof(string[])) => new[] { "1" },
            _ when type == typeof(FrozenSet<string>) => FrozenSet<string>.Empty,
            _ when type == typeof(IReadOnlyDictionary<string, string>) => new Dictionary<string, string>(),
            { IsInterface: true } => Array.CreateInstance(type.GetGenericArguments()[0], 0),
            _ => Activator.CreateInstance(type)!,
        };
        var nullability = new NullabilityInfoContext();
        return
            from type in typeof(Problem).Assembly.GetTypes()
            where type.Name.EndsWith("Problems", StringComparison.Ordinal)
            from method in type.GetMethods(BindingFlags.Static | BindingFlags.Public)
            // Those that may find nothing wrong are checks, made of the others.
            where method.ReturnType == typeof(Problem) && nullability.Create(method.ReturnParameter).ReadState == NullabilityState.NotNull
            let made = method.Invoke(null, [.. method.GetParameters().Select(parameter => Make(parameter.ParameterType.IsByRef ? parameter.ParameterType.GetElementType()! : parameter.ParameterType))])
            select ($"{type.Name}.{method.Name}", (Problem)made);
    }

    private DefaultHttpContext Context(string path)
    {
        var context = new DefaultHttpContext { RequestServices = server.Server.Services };
        context.Request.Path = path;
        context.Response.Body = new MemoryStream();
        return context;
    }
}
