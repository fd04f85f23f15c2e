using System.Globalization;
using System.IO.Compression;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json.Nodes;
using Atoll.Serving.Onnx;
using Xunit;

namespace Atoll.Tests.Prediction;

/// <summary>The binary tensor extension of the Open Inference Protocol, raw requests, and compressed bodies.</summary>
public sealed class OpenInferenceBinaryTests(PredictionServer server) : IClassFixture<PredictionServer>
{
    private const string HeaderLength = "Inference-Header-Content-Length";

    private static bool _hasPair;

    // Two elements of each type, as they lie in memory.
    private static readonly (string Name, TensorElementType Type, string Datatype, byte[] Bytes)[] Types =
    [
        ("b", TensorElementType.Bool, "BOOL", [1, 0]),
        ("i8", TensorElementType.Int8, "INT8", [0x80, 0x7F]),
        ("i16", TensorElementType.Int16, "INT16", Of<short>(short.MinValue, 258)),
        ("i32", TensorElementType.Int32, "INT32", Of(int.MinValue, 0x01020304)),
        ("i64", TensorElementType.Int64, "INT64", Of(long.MinValue, 9007199254740993)),
        ("u8", TensorElementType.UInt8, "UINT8", [0, 255]),
        ("u16", TensorElementType.UInt16, "UINT16", Of<ushort>(65535, 258)),
        ("u32", TensorElementType.UInt32, "UINT32", Of(uint.MaxValue, 0x01020304u)),
        ("u64", TensorElementType.UInt64, "UINT64", Of(ulong.MaxValue, 9007199254740993ul)),
        ("f16", TensorElementType.Float16, "FP16", Of((Half)0.1f, Half.NaN)),
        ("bf16", TensorElementType.BFloat16, "BF16", [0x80, 0x3F, 0xC0, 0x7F]),
        ("f32", TensorElementType.Float, "FP32", Of(float.NaN, float.NegativeInfinity)),
        ("f64", TensorElementType.Double, "FP64", Of(double.PositiveInfinity, 0.1)),
        ("s", TensorElementType.String, "BYTES", Texts("caf\u00e9", "a\0b")),
    ];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Every_datatype_goes_in_and_comes_out_byte_for_byte(bool chunked)
    {
        var model = chunked ? "echo-chunked" : "echo";
        await server.RegisterAsync(model, PredictionModels.Echo([.. Types.Select(type => (type.Name, type.Type, type.Datatype))]));
        var json = $$"""{"id":"7","parameters":{"binary_data_output":true},"inputs":[{{string.Join(',', Types.Select(type => Input(type.Name, type.Datatype, "1,2", type.Bytes.Length)))}}]}""";
        var answer = await SendAsync(model, json, Join([.. Types.Select(type => type.Bytes)]), chunked: chunked);

        Assert.Equal("application/octet-stream", answer.ContentType);
        var outputs = string.Join(',', Types.Select(type =>
            $$"""{"name":"{{type.Name}}_out","datatype":"{{type.Datatype}}","shape":[1,2],"parameters":{"binary_data_size":{{type.Bytes.Length}}""" + "}}"));
        Assert.Equal($$"""{"id":"7","model_name":"{{model}}","model_version":"1","outputs":[{{outputs}}]}""", answer.Json);
        Assert.Equal(Join([.. Types.Select(type => type.Bytes)]), answer.Binary);
    }

    [Fact]
    public async Task A_bool_that_is_neither_0_nor_1_becomes_1_before_native_code_sees_it()
    {
        await server.RegisterAsync("flag", PredictionModels.Echo(("b", TensorElementType.Bool, "BOOL")));
        var answer = await SendAsync("flag", $$"""{"parameters":{"binary_data_output":true},"inputs":[{{Input("b", "BOOL", "1,2", 2)}}]}""", [0xFF, 0]);
        Assert.Equal([1, 0], answer.Binary);
    }

    [Fact]
    public async Task Json_and_binary_mix_in_both_directions()
    {
        await RegisterPairAsync();
        var answer = await SendAsync(
            "pair", $$"""
            {"inputs":[{"name":"a","shape":[1,2],"datatype":"INT64","data":[1,2]},{{Input("s", "BYTES", "1,2", 10)}}],
             "outputs":[{"parameters":{"binary_data":true},"name":"s_out"},{"name":"a_out"}]}
            """, Texts("x", "y"));
        Assert.Equal(
            """{"model_name":"pair","model_version":"1","outputs":[{"name":"s_out","datatype":"BYTES","shape":[1,2],"parameters":{"binary_data_size":10}},{"name":"a_out","datatype":"INT64","shape":[1,2],"data":[1,2]}]}""",
            answer.Json);
        Assert.Equal(Texts("x", "y"), answer.Binary);

        // The output's own word counts for more than that of the request.
        answer = await SendAsync(
            "pair", $$"""
            {"inputs":[{{Input("s", "BYTES", "1,2", 10)}},{{Input("a", "INT64", "1,2", 16)}}],
             "parameters":{"binary_data_output":true},"outputs":[{"name":"s_out","parameters":{"binary_data":false} },{"name":"a_out"}]}
            """, Join(Texts("x", "y"), Of(3L, 4L)));
        Assert.Contains("\"data\":[\"x\",\"y\"]", answer.Json);
        Assert.Equal(Of(3L, 4L), answer.Binary);
    }

    [Fact]
    public async Task Without_binary_outputs_the_answer_is_plain_json()
    {
        await RegisterPairAsync();
        var answer = await SendAsync("pair", $$"""{"inputs":[{{Input("a", "INT64", "0,2", 0)}},{{Input("s", "BYTES", "0,2", 0)}}]}""", []);
        Assert.Equal("application/json", answer.ContentType);
        Assert.False(answer.HasHeaderLength);
        Assert.Contains("\"shape\":[0,2],\"data\":[]", answer.Json);

        answer = await SendAsync("pair", $$"""{"parameters":{"binary_data_output":true},"inputs":[{{Input("a", "INT64", "0,2", 0)}},{{Input("s", "BYTES", "0,2", 0)}}]}""", []);
        Assert.True(answer.HasHeaderLength);
        Assert.Contains("\"binary_data_size\":0", answer.Json);
        Assert.Empty(answer.Binary);
    }

    [Fact]
    public async Task Tensors_of_many_buffers_arrive_whole()
    {
        await RegisterPairAsync();
        const int rows = 30_000;
        var numbers = Of([.. Enumerable.Range(0, rows * 2).Select(i => i * 1_000_003L)]);
        var texts = Texts([.. Enumerable.Range(0, rows * 2).Select(i => new string('x', i % 7) + i)]);
        var json = $$"""{"parameters":{"binary_data_output":true},"inputs":[{{Input("a", "INT64", $"{rows},2", numbers.Length)}},{{Input("s", "BYTES", $"{rows},2", texts.Length)}}]}""";
        foreach (var encoding in (string?[])[null, "gzip", "deflate"])
        {
            var answer = await SendAsync("pair", json, Join(numbers, texts), encoding, encoding, chunked: encoding is null);
            Assert.Equal(encoding ?? "", answer.Encoding);
            Assert.Equal(Join(numbers, texts), answer.Binary);
        }
    }

    [Theory]
    [InlineData("gzip", "gzip", "gzip")]
    [InlineData("deflate", "deflate", "deflate")]
    [InlineData("GZIP", "br, deflate;q=0.2, gzip;q=0.8", "gzip")]
    [InlineData("identity", "gzip;q=0, deflate;q=0.1", "deflate")]
    [InlineData(null, "br, identity, *", "")]
    public async Task Bodies_are_compressed_as_the_client_says_and_wants(string? encoding, string accepted, string expected)
    {
        await RegisterPairAsync();
        var numbers = Of(new long[4000]);
        var texts = Texts([.. Enumerable.Repeat("text", 4000)]);
        var json = $$"""{"parameters":{"binary_data_output":true},"inputs":[{{Input("a", "INT64", "2000,2", numbers.Length)}},{{Input("s", "BYTES", "2000,2", texts.Length)}}]}""";
        var answer = await SendAsync("pair", json, Join(numbers, texts), encoding, accepted);
        Assert.Equal(expected, answer.Encoding);
        Assert.Equal(Join(numbers, texts), answer.Binary);
        Assert.Equal(expected.Length > 0, answer.WireBytes < 2000);
    }

    [Theory]
    [InlineData("br", new byte[] { 1, 2 }, 501, "Unsupported Content-Encoding 'br'")]
    [InlineData("gzip, gzip", new byte[] { 1, 2 }, 501, "Unsupported Content-Encoding")]
    [InlineData("gzip", new byte[] { 1, 2, 3 }, 400, "not valid gzip data")]
    [InlineData("deflate", new byte[] { 1, 2, 3 }, 400, "not valid deflate data")]
    [InlineData("gzip", new byte[0], 400, "The document is empty")]
    public async Task A_body_that_cannot_be_decoded_is_refused(string encoding, byte[] body, int status, string fragment)
    {
        using var content = new ByteArrayContent(body);
        content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        using var answer = await server.Client.PostAsync("/v2/models/churn/infer", content, TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(status == (int)answer.StatusCode, text);
        Assert.Contains(fragment, (string)JsonNode.Parse(text)!["error"]!);
        Assert.Equal(status == 501 ? "gzip, deflate" : "", string.Join(", ", answer.Headers.TryGetValues("Accept-Encoding", out var values) ? values : []));
    }

    [Fact]
    public async Task A_compressed_body_that_ends_too_early_is_refused()
    {
        await RegisterPairAsync();
        foreach (var encoding in (string[])["gzip", "deflate"])
        {
            var whole = Compress(Encoding.UTF8.GetBytes("""{"inputs":[{"name":"a","shape":[1,2],"datatype":"INT64","data":[1,2]},{"name":"s","shape":[1,2],"datatype":"BYTES","data":["a","b"]}]}"""), encoding);
            using var content = new ByteArrayContent(whole[..^20]);
            content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
            using var answer = await server.Client.PostAsync("/v2/models/pair/infer", content, TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        }
    }

    [Fact]
    public async Task A_small_body_does_not_inflate_beyond_the_limit_of_bodies()
    {
        using var content = new ByteArrayContent(Compress(new byte[50_000_000], "gzip"));
        content.Headers.ContentEncoding.Add("gzip");
        using var answer = await server.Client.PostAsync("/v2/models/churn/infer", content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, answer.StatusCode);
        Assert.Contains("Atoll:RequestBytesMax", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    /// <summary>Value of the header (null for the JSON's length), JSON, bytes behind it as hexadecimal digits, fragments of the error parted by |.</summary>
    public static TheoryData<string?, string, string, string> Refusals => new()
    {
        { "x", "{}", "", "Unable to parse Inference-Header-Content-Length, got: x" },
        { "", "{}", "", "Unable to parse Inference-Header-Content-Length, got: " },
        { "1e1", "{}", "", "Unable to parse Inference-Header-Content-Length, got: 1e1" },
        { "99999999999999999999", "{}", "", "Unable to parse" },
        { "-1", "{}", "", "inference header size should be in range (0, 2), got: -1" },
        { "3", "{}", "", "inference header size should be in range (0, 2), got: 3" },
        { "1", "{}", "", "failed to parse the request JSON buffer" },
        { "none", "{\"inputs\":[A16]}", "", "must specify valid 'Inference-Header-Content-Length' in request header" },
        { null, "{\"inputs\":[A16]}", "00112233", "unexpected size for input 'a', expecting 12 additional bytes for model 'pair'" },
        { null, "{\"inputs\":[A8]}", "0011223344556677", "input byte size mismatch for input 'a' for model 'pair'. Expected 16, got 8" },
        { null, "{\"inputs\":[A17]}", "0011223344556677001122334455667788", "Expected 16, got 17" },
        { null, "{\"inputs\":[A16,S8]}", "0011223344556677001122334455667700000000000000001122", "unexpected additional input data for model 'pair'" },
        { null, "{\"inputs\":[S7]}", "00000000000000", "unexpected number of string elements for inference input 's', expecting 2" },
        { null, "{\"inputs\":[S9]}", "0100000041ffffffff", "incomplete string data for inference input 's', expecting string of length 4294967295" },
        { null, "{\"inputs\":[S9]}", "0500000041424344ff", "unexpected number of string elements 1 for inference input 's', expecting 2" },
        { null, "{\"inputs\":[S10]}", "04000000414243440000", "incomplete string length indicator for inference input 's', expecting 4 bytes but only 2 bytes available" },
        { null, "{\"inputs\":[S12]}", "000000000000000000000000", "unexpected number of string elements 3 for inference input 's', expecting 2" },
        { null, "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"parameters\":{\"binary_data_size\":-1}}]}", "", "Unable to parse 'binary_data_size' of input 'a'" },
        { null, "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"parameters\":{\"binary_data_size\":\"16\"}}]}", "", "Unable to parse 'binary_data_size' of input 'a'" },
        { null, "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"parameters\":{\"binary_data_size\":16},\"data\":[1,2]}]}", "", "has both 'data' and 'binary_data_size'" },
        { null, "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,2],\"datatype\":\"INT64\",\"data\":[1,2],\"parameters\":{\"binary_data_size\":0}}]}", "", "has both 'data' and 'binary_data_size'" },
        { null, "{\"inputs\":[{\"name\":\"a\",\"shape\":[4611686018427387903,2],\"datatype\":\"INT64\",\"parameters\":{\"binary_data_size\":16}}]}", "00112233445566770011223344556677", "input byte size mismatch" },
        { null, "{\"inputs\":[{\"name\":\"s\",\"shape\":[1000000000,2],\"datatype\":\"BYTES\",\"parameters\":{\"binary_data_size\":8}}]}", "0000000000000000", "unexpected number of string elements" },
        { null, "{\"parameters\":{\"binary_data_output\":1},\"inputs\":[]}", "", "Unable to parse 'binary_data_output' of request" },
        { null, "{\"inputs\":[],\"outputs\":[{\"name\":\"a_out\",\"parameters\":{\"binary_data\":\"yes\"}}]}", "", "Unable to parse 'binary_data' of output 'a_out'" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task Bad_binary_requests_are_refused_in_the_words_of_the_protocol(string? header, string json, string binary, string fragments)
    {
        await RegisterPairAsync();
        foreach (var bytes in (int[])[8, 16, 17]) json = json.Replace($"A{bytes}", Input("a", "INT64", "1,2", bytes), StringComparison.Ordinal);
        foreach (var bytes in (int[])[7, 8, 9, 10, 12]) json = json.Replace($"S{bytes}", Input("s", "BYTES", "1,2", bytes), StringComparison.Ordinal);
        var head = Encoding.UTF8.GetBytes(json);
        using var content = new ByteArrayContent(Join(head, Convert.FromHexString(binary)));
        if (header != "none") content.Headers.TryAddWithoutValidation(HeaderLength, header ?? head.Length.ToString(CultureInfo.InvariantCulture));
        using var answer = await server.Client.PostAsync("/v2/models/pair/infer", content, TestContext.Current.CancellationToken);
        var text = await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(answer.StatusCode == HttpStatusCode.BadRequest, text);
        foreach (var fragment in fragments.Split('|')) Assert.Contains(fragment, (string)JsonNode.Parse(text)!["error"]!, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Datatypes_that_json_cannot_hold_ask_for_binary()
    {
        await server.RegisterAsync("half", PredictionModels.Echo(("h", TensorElementType.Float16, "FP16")));
        using var json = new StringContent("""{"inputs":[{"name":"h","shape":[1,2],"datatype":"FP16","data":[1,2]}]}""");
        using var refused = await server.Client.PostAsync("/v2/models/half/infer", json, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);
        Assert.Contains(
            "sending FP16 data via JSON is not supported. Please use the binary data format for input 'h'",
            await refused.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));

        using var content = new ByteArrayContent(Join(Encoding.UTF8.GetBytes($$"""{"inputs":[{{Input("h", "FP16", "1,2", 4)}}]}"""), [0, 0, 0, 0]));
        content.Headers.Add(HeaderLength, (content.Headers.ContentLength - 4)!.Value.ToString(CultureInfo.InvariantCulture));
        using var answer = await server.Client.PostAsync("/v2/models/half/infer", content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Contains("sending FP16 data via JSON is not supported. Please use the binary data format for output 'h_out'", await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_raw_request_is_the_one_input()
    {
        // The free dimension follows from the size.
        await server.RegisterAsync("one", PredictionModels.Echo(("f", TensorElementType.Float, "FP32")));
        var answer = await SendRawAsync("one", Of(1f, 2f, 3f, 4f));
        Assert.Equal("""{"model_name":"one","model_version":"1","outputs":[{"name":"f_out","datatype":"FP32","shape":[2,2],"parameters":{"binary_data_size":16}}]}""", answer.Json);
        Assert.Equal(Of(1f, 2f, 3f, 4f), answer.Binary);

        // A text comes without its length.
        answer = await SendRawAsync("intents", Encoding.UTF8.GetBytes("cash"));
        Assert.Contains("\"name\":\"label\",\"datatype\":\"BYTES\",\"shape\":[1]", answer.Json);
        Assert.Equal(Texts("cash"), answer.Binary[^8..]);
    }

    [Theory]
    [InlineData("churn", "00000000", "Raw request must only have 1 input (found 1) to be deduced but got 4 inputs in 'churn' model configuration")]
    [InlineData("colours", "000000", "The shape of the raw input 'image' can not be deduced because there are more than one variable-sized dimension")]
    [InlineData("price", "0000000000", "input byte size mismatch for input 'rooms' for model 'price'. Expected 4, got 5")]
    [InlineData("words", "61", "For BYTE datatype raw input 's', the model must have input shape [1]")]
    public async Task A_raw_request_that_cannot_be_deduced_is_refused(string model, string body, string error)
    {
        await server.RegisterAsync("words", PredictionModels.Echo(("s", TensorElementType.String, "BYTES")));
        using var content = new ByteArrayContent(Convert.FromHexString(body));
        content.Headers.Add(HeaderLength, "0");
        using var answer = await server.Client.PostAsync($"/v2/models/{model}/infer", content, TestContext.Current.CancellationToken);
        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
        Assert.Equal(error, (string)JsonNode.Parse(await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken))!["error"]!);
    }

    private static string Input(string name, string datatype, string shape, int bytes) =>
        $$"""{"name":"{{name}}","shape":[{{shape}}],"datatype":"{{datatype}}","parameters":{"binary_data_size":{{bytes}}""" + "}}";

    private static byte[] Of<T>(params T[] values) where T : unmanaged => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();

    private static byte[] Texts(params string[] texts) =>
        Join([.. texts.SelectMany(text => (byte[][])[Of(Encoding.UTF8.GetByteCount(text)), Encoding.UTF8.GetBytes(text)])]);

    private static byte[] Join(params byte[][] parts) => [.. parts.SelectMany(part => part)];

    private static byte[] Compress(byte[] bytes, string encoding)
    {
        using var memory = new MemoryStream();
        using (Stream compressed = encoding.Equals("gzip", StringComparison.OrdinalIgnoreCase) ? new GZipStream(memory, CompressionLevel.Fastest) : new ZLibStream(memory, CompressionLevel.Fastest))
            compressed.Write(bytes);
        return memory.ToArray();
    }

    private static byte[] Decompress(byte[] bytes, string encoding)
    {
        using var memory = new MemoryStream(bytes);
        using Stream inflated = encoding == "gzip" ? new GZipStream(memory, CompressionMode.Decompress) : new ZLibStream(memory, CompressionMode.Decompress);
        using var whole = new MemoryStream();
        inflated.CopyTo(whole);
        return whole.ToArray();
    }

    private async Task RegisterPairAsync()
    {
        if (_hasPair) return;
        await server.RegisterAsync("pair", PredictionModels.Echo(("a", TensorElementType.Int64, "INT64"), ("s", TensorElementType.String, "BYTES")));
        _hasPair = true;
    }

    private Task<Answer> SendRawAsync(string model, byte[] tensor)
    {
        var content = new ByteArrayContent(tensor);
        content.Headers.Add(HeaderLength, "0");
        return SendAsync(model, content, null);
    }

    private Task<Answer> SendAsync(string model, string json, byte[] binary, string? encoding = null, string? accepted = null, bool chunked = false)
    {
        var head = Encoding.UTF8.GetBytes(json);
        var body = Join(head, binary);
        if (encoding is not null and not "identity") body = Compress(body, encoding);
        HttpContent content = chunked ? new StreamContent(new OneByOne(body)) : new ByteArrayContent(body);
        content.Headers.Add(HeaderLength, head.Length.ToString(CultureInfo.InvariantCulture));
        if (encoding is not null) content.Headers.TryAddWithoutValidation("Content-Encoding", encoding);
        return SendAsync(model, content, accepted);
    }

    private async Task<Answer> SendAsync(string model, HttpContent content, string? accepted)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/v2/models/{model}/infer") { Content = content };
        if (accepted is not null) request.Headers.AcceptEncoding.ParseAdd(accepted);
        using var answer = await server.Client.SendAsync(request, TestContext.Current.CancellationToken);
        var bytes = await answer.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        var wireBytes = bytes.Length;
        Assert.True(answer.StatusCode == HttpStatusCode.OK, Encoding.UTF8.GetString(bytes));
        var encoding = string.Join(",", answer.Content.Headers.ContentEncoding);
        if (encoding.Length > 0) bytes = Decompress(bytes, encoding);
        var length = answer.Headers.TryGetValues(HeaderLength, out var values) || answer.Content.Headers.TryGetValues(HeaderLength, out values)
            ? int.Parse(values.Single(), CultureInfo.InvariantCulture) : (int?)null;
        return new Answer(
            Encoding.UTF8.GetString(bytes, 0, length ?? bytes.Length), bytes[(length ?? bytes.Length)..], length is not null,
            answer.Content.Headers.ContentType!.ToString(), encoding, wireBytes);
    }

    /// <summary>A good answer, taken apart.</summary>
    private sealed record Answer(string Json, byte[] Binary, bool HasHeaderLength, string ContentType, string Encoding, int WireBytes);

    /// <summary>Cannot be asked for its length, so that it is sent in chunks, and gives odd pieces of few bytes.</summary>
    private sealed class OneByOne(byte[] bytes) : Stream
    {
        private int _at;
        private int _piece;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            _piece = bytes.Length > 10_000 ? 5003 : (_piece % 7) + 1;
            var read = Math.Min(Math.Min(_piece, count), bytes.Length - _at);
            bytes.AsSpan(_at, read).CopyTo(buffer.AsSpan(offset));
            _at += read;
            return read;
        }

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
