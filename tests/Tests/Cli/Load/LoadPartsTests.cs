using System.Text;
using System.Text.Json.Nodes;
using Atoll.Cli.Load;

namespace Atoll.Tests.Cli.Load;

public sealed class LoadPartsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_percentile_is_within_a_hundredth_of_the_exact_one(int seed)
    {
        var random = new Random(seed);
        var histogram = new LatencyHistogram();
        var exact = new List<TimeSpan>();
        for (var i = 0; i < 20_000; i++)
        {
            var time = TimeSpan.FromTicks((long)Math.Exp(random.NextDouble() * 18));
            exact.Add(time);
            histogram.Record(time);
        }
        exact.Sort();
        foreach (var share in (double[])[0.001, 0.5, 0.9, 0.99, 0.999, 1])
        {
            var wanted = exact[Math.Max(0, (int)Math.Ceiling(share * exact.Count) - 1)];
            Assert.InRange(histogram.Percentile(share).Ticks, wanted.Ticks, (long)(wanted.Ticks * 1.01) + 1);
        }
        Assert.Equal(exact[^1], histogram.Max);
        Assert.Equal(exact.Count, histogram.Count);
    }

    [Fact]
    public void Nothing_counted_has_percentiles_of_zero()
    {
        Assert.Equal(TimeSpan.Zero, new LatencyHistogram().Percentile(0.99));
    }

    [Fact]
    public void Zipf_asks_the_first_as_often_as_its_law_says()
    {
        var picker = new TargetPicker(1000, 1, sweeps: false, seed: 7);
        var counts = new int[1000];
        for (var i = 0; i < 100_000; i++) counts[picker.Next()]++;
        var sum = Enumerable.Range(1, 1000).Sum(k => 1.0 / k);
        Assert.InRange(counts[0], 100_000 / sum * 0.97, 100_000 / sum * 1.03);
        Assert.InRange(counts[9], 100_000 / sum / 10 * 0.9, 100_000 / sum / 10 * 1.1);
    }

    [Fact]
    public void A_sweep_asks_one_after_the_other_and_begins_again()
    {
        var picker = new TargetPicker(3, 1, sweeps: true, seed: 7);
        Assert.Equal([0, 1, 2, 0, 1], Enumerable.Range(0, 5).Select(_ => picker.Next()));
    }

    [Theory]
    [InlineData("88", 200, -1)] // the static table
    [InlineData("8D", 404, -1)]
    [InlineData("0803343239", 429, -1)] // a literal with a known name
    [InlineData("48826402", 302, -1)] // in Huffman's code, as RFC 7541 C.6.1 has it
    [InlineData("000B677270632D7374617475730130", 0, 0)] // grpc-status: 0
    [InlineData("000B677270632D737461747573023134", 0, 14)]
    [InlineData("20880F0D0131", 200, -1)] // a new table size, the status, a length
    public void The_status_is_read_out_of_compressed_headers(string hex, int http, int grpc)
    {
        int httpStatus = 0, grpcStatus = -1;
        Range message = default;
        Assert.True(HeaderCompression.TryRead(Convert.FromHexString(hex), ref httpStatus, ref grpcStatus, ref message));
        Assert.Equal((http, grpc), (httpStatus, grpcStatus));
    }

    [Fact]
    public void Names_in_Huffmans_code_are_known()
    {
        // grpc-status: 14, both in Huffman's code: nghttp2 and the C core of gRPC may write it so.
        int httpStatus = 0, grpcStatus = -1;
        Range message = default;
        Assert.True(HeaderCompression.TryRead(Convert.FromHexString("00889ACAC8B21234DA8F820B5F"), ref httpStatus, ref grpcStatus, ref message));
        Assert.Equal(14, grpcStatus);
    }

    [Theory]
    [InlineData("08")]
    [InlineData("000B6772")]
    [InlineData("FFFFFFFFFFFFFF")]
    public void Headers_that_are_cut_off_are_refused(string hex)
    {
        int httpStatus = 0, grpcStatus = -1;
        Range message = default;
        Assert.False(HeaderCompression.TryRead(Convert.FromHexString(hex), ref httpStatus, ref grpcStatus, ref message));
    }

    [Fact]
    public void Binary_tensors_stand_behind_the_json_in_its_order()
    {
        var request = JsonNode.Parse(
            """
            {"inputs":[{"name":"a","datatype":"INT16","shape":[2],"data":[1,-2]},{"name":"b","datatype":"BYTES","shape":[1],"data":["xy"]},
            {"name":"c","datatype":"BOOL","shape":[1,2],"data":[[true,false]]},{"name":"d","datatype":"FP32","shape":[1],"data":[1.5]}]}
            """)!.AsObject();
        var body = LoadBody.OfTensors(LoadProtocol.Binary, request);
        Assert.Equal("0100FEFF" + "020000007879" + "0100" + "0000C03F", Convert.ToHexString(body.Bytes.AsSpan(body.JsonBytes!.Value)));
        var header = JsonNode.Parse(Encoding.UTF8.GetString(body.Bytes.AsSpan(0, body.JsonBytes.Value)))!;
        Assert.Equal([4, 6, 2, 4], header["inputs"]!.AsArray().Select(input => (int)input!["parameters"]!["binary_data_size"]!));
        Assert.Equal(2, body.Rows);
    }

    [Theory]
    [InlineData("""{"rows":[]}""", "inputs")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"INT16","shape":[1],"data":["x"]}]}""", "values of its datatype")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"INT16","shape":[1]}]}""", "values of its datatype")]
    [InlineData("""{"inputs":[{"name":"a","datatype":"NOTHING","shape":[1],"data":[1]}]}""", "values of its datatype")]
    public void Data_that_is_no_request_is_refused(string json, string says)
    {
        Assert.Contains(says, Assert.Throws<LoadException>(() => LoadBody.OfTensors(LoadProtocol.Grpc, JsonNode.Parse(json)!.AsObject())).Message);
    }

    [Fact]
    public void A_request_is_made_up_with_as_many_rows_as_asked()
    {
        var metadata = JsonNode.Parse("""{"inputs":[{"name":"x","datatype":"FP32","shape":[-1,3]},{"name":"t","datatype":"BYTES","shape":[-1,1]}]}""");
        var made = LoadBody.FromMetadata(metadata, 2);
        Assert.Equal(6, made["inputs"]![0]!["data"]!.AsArray().Count);
        Assert.Equal("[2,1]", made["inputs"]![1]!["shape"]!.ToJsonString());
        Assert.Contains("takes no rows", Assert.Throws<LoadException>(() => LoadBody.FromMetadata(JsonNode.Parse("""{"inputs":[{"name":"x","datatype":"FP32","shape":[3]}]}"""), 2)).Message);
        Assert.Contains("--data", Assert.Throws<LoadException>(() => LoadBody.FromMetadata(JsonNode.Parse("{}"), 1)).Message);
    }
}
