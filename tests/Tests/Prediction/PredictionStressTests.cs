using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Contracts;
using Atoll.Deployments;
using Atoll.Prediction;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>Many clients at once while aliases move and models are evicted; and bodies that somebody has tampered with.</summary>
public sealed class PredictionStressTests(ITestOutputHelper output)
{
    /// <summary>Each version answers its number plus x, so that an answer tells which version made it, and with whose sample.</summary>
    [Fact]
    public async Task Every_answer_comes_from_one_version_and_is_right_while_aliases_move_and_models_are_evicted()
    {
        const int seed = 20260801, versions = 6, clients = 8, requests = 60, ballast = 100_000;
        output.WriteLine($"seed {seed}");
        var cancellationToken = TestContext.Current.CancellationToken;

        // Room for the graph that all six versions share, and for the weights of about four, 400 KB each.
        await using var server = new TestServer { Settings = ["--Deployments:CacheBytesMax=1800000", "--TenantLimits:ModelCacheShare=1"] };
        await server.InitializeAsync();
        var (tenant, client) = await server.CreateTenantAsync();
        for (var version = 1; version <= versions; version++)
            Assert.Equal(version, await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "moving", PredictionModels.Constant(version * 1000, ballast + version)));

        // The alias is there before anybody asks for it; from then on it must never be missing.
        await MoveOnceAsync(new Random(seed), cancellationToken);
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var mover = MoveAsync(new Random(seed), done.Token);
        var answers = await Task.WhenAll(Enumerable.Range(1, clients).Select(number => AskAsync(number, new Random(seed + number))));
        await done.CancelAsync();
        var moves = await mover;

        var snapshot = server.Server.Services.GetRequiredService<ServedModels>().Snapshot();
        output.WriteLine($"{moves} moves, {snapshot}");
        Assert.Equal(clients * requests, answers.Sum());
        Assert.True(moves > 0);
        Assert.True(snapshot.Evictions > 0, "Nothing was evicted, so this tested too little.");
        Assert.InRange(snapshot.Bytes, 0, snapshot.BytesMax);

        async Task<int> MoveAsync(Random random, CancellationToken stop)
        {
            var count = 0;
            try
            {
                while (true)
                {
                    await MoveOnceAsync(random, stop);
                    count++;
                }
            }
            catch (OperationCanceledException) when (done.IsCancellationRequested)
            {
                return count;
            }
        }

        async Task MoveOnceAsync(Random random, CancellationToken stop)
        {
            using var moved = await client.PutAsJsonAsync(
                "/api/v1/models/moving/aliases/champion", new MoveAliasRequest { Version = random.Next(1, versions + 1) }, AtollJson.Default.MoveAliasRequest, stop);
            Assert.Equal(HttpStatusCode.OK, moved.StatusCode);
        }

        async Task<int> AskAsync(int number, Random random)
        {
            var answered = 0;
            for (var i = 0; i < requests; i++)
            {
                var x = number * 100 + random.Next(50);
                var given = random.Next(3) == 0 ? random.Next(1, versions + 1) : (int?)null;
                var query = given is { } version ? $"?version={version}" : i == 0 ? "" : "?alias=champion";
                using var content = new StringContent($$"""{"rows":[{"x":{{x}}},{"x":{{x + 1}}}]}""", Encoding.UTF8, "application/json");
                using var answer = await client.PostAsync($"/api/v1/endpoints/moving:predict{query}", content, cancellationToken);
                var text = await answer.Content.ReadAsStringAsync(cancellationToken);

                // All of the little room may be taken by models in use; that is said, and the client asks again.
                if (answer.StatusCode is HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests)
                {
                    Assert.NotNull(answer.Headers.RetryAfter);
                    i--;
                    continue;
                }
                Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
                var json = JsonNode.Parse(text)!;
                var from = (int)json["version"]!;
                Assert.InRange(from, 1, versions);
                if (given is not null) Assert.Equal(given, from);
                Assert.Equal([from * 1000 + x, from * 1000 + x + 1], json["predictions"]!.AsArray().Select(one => (int)(double)one!["value"]!));
                answered++;
            }
            return answered;
        }
    }

    [Fact]
    public async Task Bodies_that_were_tampered_with_are_answered_or_refused_but_never_break_the_server()
    {
        const int seed = 4711, tries = 1500;
        output.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var server = new PredictionServer();
        await server.InitializeAsync();
        await server.RegisterAsync("pair", PredictionModels.Echo(("a", Atoll.Serving.Onnx.TensorElementType.Int64, "INT64"), ("s", Atoll.Serving.Onnx.TensorElementType.String, "BYTES")));
        (string Path, string Type, string Body)[] good =
        [
            ("/api/v1/endpoints/churn:predict", "application/json", """{"rows":[{"age":45,"income":-1.5e3,"married":true,"city":"P\u0061ris"},{"age":null,"city":"Rome"}],"top":2}"""),
            ("/api/v1/endpoints/intents:predict", "application/json", """{"texts":["card","\u00e9\ud83d\ude00"],"top":1}"""),
            ("/api/v1/endpoints/churn:predict", "text/csv", "age,income,married,city\n45,\"1,000\",Yes,Rome\n20,,No,\"a\"\"b\"\n"),
            ("/api/v1/endpoints/intents:predict", "multipart/form-data; boundary=B", "--B\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\ncard\r\n--B--\r\n"),
            ("/v2/models/pair/infer", "application/json",
                """{"id":"1","parameters":{"x":1},"inputs":[{"name":"a","shape":[2,2],"datatype":"INT64","data":[[1,2],[3,4]]},{"name":"s","shape":[2,2],"datatype":"BYTES","data":["a","b","c","d"]}],"outputs":[{"name":"a_out"}]}"""),
        ];
        var statuses = new SortedDictionary<int, int>();
        for (var i = 0; i < tries; i++)
        {
            var (path, type, body) = good[i % good.Length];
            var bytes = Mutate(Encoding.UTF8.GetBytes(body), random);
            using var content = new ByteArrayContent(bytes);
            content.Headers.TryAddWithoutValidation("Content-Type", type);
            using var answer = await server.Client.PostAsync(path, content, TestContext.Current.CancellationToken);
            var status = (int)answer.StatusCode;
            statuses[status] = statuses.GetValueOrDefault(status) + 1;
            Assert.True(status is 200 or 400 or 413 or 415 or 501, $"{status} for {path} with {Convert.ToBase64String(bytes)}: {await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)}");
        }
        output.WriteLine(string.Join(", ", statuses));
        Assert.True(statuses.GetValueOrDefault(200) > tries / 20 && statuses.GetValueOrDefault(400) > tries / 4);
    }

    private static byte[] Mutate(byte[] body, Random random)
    {
        string[] tokens = ["{", "}", "[", "]", ",", ":", "\"", "null", "true", "1e999", "-", "0", "\\u", "\\ud800", "\u00e9", "\ufeff", "\0", "\r\n", "99999999999999999999", "\"rows\"", "\"texts\"", "NaN"];
        var bytes = body.ToList();
        for (var times = random.Next(1, 4); times > 0; times--)
        {
            var place = random.Next(bytes.Count + 1);
            switch (random.Next(6))
            {
                case 0 when place < bytes.Count:
                    bytes[place] = (byte)random.Next(256);
                    break;
                case 1 when place < bytes.Count:
                    bytes.RemoveRange(place, Math.Min(bytes.Count - place, random.Next(1, 12)));
                    break;
                case 2:
                    bytes.InsertRange(place, Encoding.UTF8.GetBytes(tokens[random.Next(tokens.Length)]));
                    break;
                case 3 when place < bytes.Count:
                    bytes.InsertRange(place, bytes.GetRange(place, Math.Min(bytes.Count - place, random.Next(1, 40))));
                    break;
                case 4:
                    bytes.RemoveRange(place, bytes.Count - place);
                    break;
                case 5 when place < bytes.Count && char.IsAsciiDigit((char)bytes[place]):
                    bytes[place] = (byte)('0' + random.Next(10));
                    break;
            }
        }
        return [.. bytes];
    }

    [Fact]
    public async Task Requests_that_wait_for_one_model_run_together_and_each_gets_its_own_answer()
    {
        var cancellationToken = TestContext.Current.CancellationToken;
        await using var server = new TestServer { Settings = ["--Prediction:RunsMax=1"] };
        await server.InitializeAsync();
        var (tenant, client) = await server.CreateTenantAsync();
        await PredictionServer.RegisterAsync(server, tenant.Tenant.Id, "wide", PredictionModels.Wide());
        var runner = server.Server.Services.GetRequiredService<PredictionRunner>();
        var next = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            // Until enough have met: how soon that is depends on the machine.
            while (runner.Together.Sum() < 100)
            {
                var number = Interlocked.Increment(ref next);
                using var body = new StringContent($$"""{"id":"{{number}}","inputs":[{"name":"x","shape":[2,1],"datatype":"FP32","data":[{{number}},{{-number}}]}]}""", Encoding.UTF8, "application/json");
                using var answer = await client.PostAsync("/v2/models/wide/infer", body, cancellationToken);
                var text = await answer.Content.ReadAsStringAsync(cancellationToken);
                Assert.True(answer.StatusCode == HttpStatusCode.OK, text);
                var json = JsonNode.Parse(text)!;
                Assert.Equal($"{number}", (string)json["id"]!);
                var data = json["outputs"]![0]!["data"]!.AsArray();
                Assert.Equal(number, (float)data[0]!, 0.01f * number);
                Assert.Equal(-number, (float)data[1]!, 0.01f * number);
            }
        }, cancellationToken)));
    }
}
