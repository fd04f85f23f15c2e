using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Serving.Onnx;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>Damaged requests, binary and JSON: each is answered or refused with a text, and the server answers the next one.</summary>
public sealed class OpenInferenceFuzzTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    private static int Rounds => ModelImports.ModelFileFuzzTests.Rounds;
    private const string HeaderLength = "Inference-Header-Content-Length";

    private static readonly string[] Splinters =
    [
        "-1", "0", "9223372036854775807", "18446744073709551616", "1e999", "null", "true", "[]", "{}", "\"\"", "\"\\ud800\"", "\"\u0000\"", "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]",
        "\"BYTES\"", "\"FP16\"", "\"BOOL\"", "[1,2]", "[0,2]", "[-1,2]", "[4611686018427387904,2]", ",", ":", "}", "]", "binary_data_size", "classification", "shared_memory_region",
    ];

    [Fact]
    public async Task Every_damaged_request_gets_an_answer_of_the_protocol()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await server.RegisterAsync("fuzzed", PredictionModels.Echo(
            ("i", TensorElementType.Int64, "INT64"), ("h", TensorElementType.Float16, "FP16"), ("b", TensorElementType.Bool, "BOOL"), ("s", TensorElementType.String, "BYTES")));
        int answered = 0, refused = 0;
        for (var round = 0; round < Rounds; round++)
        {
            var (json, binary) = Sound();
            var head = Encoding.UTF8.GetBytes(random.Next(3) == 0 ? json : Damage(json, random));
            if (random.Next(3) == 0) binary = Damage(binary, random);
            var length = random.Next(12) switch
            {
                0 => random.Next(-2, head.Length + binary.Length + 3).ToString(CultureInfo.InvariantCulture),
                1 => "0",
                2 => "",
                _ => head.Length.ToString(CultureInfo.InvariantCulture),
            };
            byte[] body = [.. head, .. binary];
            var encoding = random.Next(10) switch { 0 => "gzip", 1 => "deflate", _ => null };
            if (encoding is not null)
            {
                body = Compress(body, encoding);
                if (random.Next(2) == 0) body = Damage(body, random);
            }
            using var request = new HttpRequestMessage(HttpMethod.Post, random.Next(20) == 0 ? "/v2/models/intents/infer" : "/v2/models/fuzzed/infer") { Content = new ByteArrayContent(body) };
            if (random.Next(10) > 0) request.Content.Headers.TryAddWithoutValidation(HeaderLength, length);
            if (encoding is not null) request.Content.Headers.ContentEncoding.Add(encoding);
            if (random.Next(5) == 0) request.Headers.TryAddWithoutValidation("Accept-Encoding", random.Next(2) == 0 ? "gzip" : "deflate;q=0.5, ;;q=");

            using var answer = await server.Client.SendAsync(request, TestContext.Current.CancellationToken);
            var bytes = await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
            var told = $"seed {seed}, round {round}: {(int)answer.StatusCode} {Encoding.UTF8.GetString(bytes)} to {Encoding.UTF8.GetString(head)}";
            if (answer.StatusCode == HttpStatusCode.OK)
            {
                answered++;
                continue;
            }
            Assert.True((int)answer.StatusCode is 400 or 413 or 501, told);
            Assert.False(string.IsNullOrEmpty((string?)JsonNode.Parse(bytes)!["error"]), told);
            refused++;
        }
        Assert.True(answered > Rounds / 50 && refused > Rounds / 4, $"{answered} answered, {refused} refused (seed {seed}).");
    }

    [Theory]
    [InlineData("/v2/models/fuzzed-steps/generate_stream", """{"id":"1","from":[1,2],"parameters":{"by":[1,2],"steps_max":3,"timeout":1000000}}""")]
    [InlineData("/v2/repository/models/fuzzed-load/load", """{"parameters":{"config":"{\"name\":\"fuzzed-load\",\"max_batch_size\":8,\"model_transaction_policy\":{\"decoupled\":true},\"sequence_batching\":{\"iterative_sequence\":true,\"state\":[{\"input_name\":\"from\",\"output_name\":\"next\"}]},\"parameters\":{\"done_output\":{\"string_value\":\"done\"}}}","file:1/model.onnx":"AAAA"}}""")]
    public async Task Every_damaged_body_of_plain_json_gets_an_answer_of_the_protocol(string path, string sound)
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await server.RegisterAsync("fuzzed-steps", PredictionModels.Counter());
        await server.RegisterAsync("fuzzed-load", PredictionModels.Price());
        var refused = 0;
        for (var round = 0; round < Rounds; round++)
        {
            // A file that is whole would be imported, round by round.
            var body = Damage(sound.Replace("AAAA", round % 2 == 0 ? "A" : "AAAA", StringComparison.Ordinal), random);
            if (body.Contains("load", StringComparison.Ordinal) && body.Contains("file:1/", StringComparison.Ordinal)) body = body.Replace("file:1/", "file:0/", StringComparison.Ordinal);
            using var answer = await server.Client.PostAsync(path, new ByteArrayContent(Encoding.UTF8.GetBytes(body)), TestContext.Current.CancellationToken);
            var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            var told = $"seed {seed}, round {round}: {(int)answer.StatusCode} {text} to {body}";
            if (answer.StatusCode == HttpStatusCode.OK) continue;
            Assert.True((int)answer.StatusCode is 400 or 404 or 501, told);
            Assert.False(string.IsNullOrEmpty((string?)JsonNode.Parse(text)!["error"]), told);
            refused++;
        }
        Assert.True(refused > Rounds / 4, $"{refused} refused (seed {seed}).");
    }

    private static (string Json, byte[] Binary) Sound()
    {
        byte[] texts = [3, 0, 0, 0, .. "one"u8, 0, 0, 0, 0];
        return ("""{"id":"1","parameters":{"binary_data_output":true,"timeout":1000000,"sequence_id":1},"inputs":["""
            + """{"name":"i","shape":[1,2],"datatype":"INT64","parameters":{"binary_data_size":16}},{"name":"h","shape":[1,2],"datatype":"FP16","parameters":{"binary_data_size":4}},"""
            + """{"name":"b","shape":[1,2],"datatype":"BOOL","data":[[true,false]]},{"name":"s","shape":[1,2],"datatype":"BYTES","parameters":{"binary_data_size":11}}]"""
            + ""","outputs":[{"name":"i_out","parameters":{"classification":2}},{"name":"h_out"},{"name":"b_out","parameters":{"binary_data":false}},{"name":"s_out"}]}""",
            [.. new byte[20], .. texts]);
    }

    private static string Damage(string json, Random random)
    {
        for (var hits = random.Next(1, 4); hits > 0; hits--)
        {
            var at = random.Next(json.Length);
            var length = random.Next(Math.Min(20, json.Length - at));
            json = random.Next(3) switch
            {
                0 => json.Remove(at, length),
                1 => json.Remove(at, length).Insert(at, Splinters[random.Next(Splinters.Length)]),
                _ => ReplaceNumber(json, random),
            };
            if (json.Length == 0) return json;
        }
        return json;
    }

    private static string ReplaceNumber(string json, Random random)
    {
        var digits = Enumerable.Range(0, json.Length).Where(i => char.IsDigit(json[i])).ToList();
        if (digits.Count == 0) return json;
        var at = digits[random.Next(digits.Count)];
        return json.Remove(at, 1).Insert(at, random.Next(4) == 0 ? Splinters[random.Next(5)] : $"{random.Next(40)}");
    }

    private static byte[] Damage(byte[] bytes, Random random)
    {
        if (bytes.Length == 0 || random.Next(3) == 0) return [.. bytes, .. new byte[random.Next(1, 30)]];
        if (random.Next(2) == 0) return bytes[..random.Next(bytes.Length)];
        var copy = (byte[])bytes.Clone();
        for (var flips = random.Next(1, 4); flips > 0; flips--) copy[random.Next(copy.Length)] = (byte)random.Next(256);
        return copy;
    }

    private static byte[] Compress(byte[] bytes, string encoding)
    {
        using var memory = new MemoryStream();
        using (Stream compressed = encoding == "gzip" ? new GZipStream(memory, CompressionLevel.Fastest) : new ZLibStream(memory, CompressionLevel.Fastest)) compressed.Write(bytes);
        return memory.ToArray();
    }
}
