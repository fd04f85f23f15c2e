using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Atoll.Contracts;

namespace Atoll.Cli.Load;

/// <summary>Makes the body of a load's requests: from a request of the Open Inference Protocol as JSON, or from what a model says of itself.</summary>
internal static class LoadBody
{
    /// <summary>A body for any protocol but Atoll's own.</summary>
    /// <param name="request"><c>{"inputs": [{"name", "datatype", "shape", "data"}]}</c>.</param>
    /// <exception cref="LoadException">It is none.</exception>
    public static RequestBody OfTensors(LoadProtocol protocol, JsonObject request)
    {
        var tensors = (request["inputs"] as JsonArray ?? throw new LoadException("The data has no \"inputs\"; it must be a request of the Open Inference Protocol as JSON."))
            .Select(Tensor.Read).ToList();
        var rows = tensors.Count > 0 && tensors[0].Shape.Length > 0 ? (int)tensors[0].Shape[0] : 1;
        switch (protocol)
        {
            case LoadProtocol.Rest:
                return new RequestBody(Utf8(request), "application/json", null, rows);
            case LoadProtocol.Binary:
                var header = request.DeepClone().AsObject();
                header["inputs"] = new JsonArray([.. tensors.Select(tensor => (JsonNode)new JsonObject
                {
                    ["name"] = tensor.Name, ["datatype"] = tensor.Datatype, ["shape"] = Numbers(tensor.Shape),
                    ["parameters"] = new JsonObject { ["binary_data_size"] = tensor.Bytes.Length },
                })]);
                if (header["outputs"] is null) header["parameters"] = new JsonObject { ["binary_data_output"] = true };
                var json = Utf8(header);
                return new RequestBody([.. json, .. tensors.SelectMany(tensor => tensor.Bytes)], "application/octet-stream", json.Length, rows);
            case LoadProtocol.Grpc:
                var message = new List<byte>();
                foreach (var tensor in tensors)
                {
                    byte[] shape = [.. tensor.Shape.SelectMany(size => Protobuf.Number((ulong)size))];
                    message.AddRange(Protobuf.Bytes(5, [.. Protobuf.Text(1, tensor.Name), .. Protobuf.Text(2, tensor.Datatype), .. Protobuf.Bytes(3, shape)]));
                }
                foreach (var tensor in tensors) message.AddRange(Protobuf.Bytes(7, tensor.Bytes));
                return new RequestBody([.. message], "application/grpc", null, rows);
            default:
                throw new ArgumentOutOfRangeException(nameof(protocol));
        }
    }

    /// <summary>A request with values that anything may be, as a model's metadata asks for.</summary>
    /// <param name="metadata">The answer of <c>GET /v2/models/{model}</c>.</param>
    /// <exception cref="LoadException">There is no such request.</exception>
    public static JsonObject FromMetadata(JsonNode? metadata, int rows)
    {
        if (metadata?["inputs"] is not JsonArray { Count: > 0 } inputs) throw new LoadException("The model does not say what it takes. Give a request with --data.");
        var random = new Random(1);
        var made = new JsonArray();
        foreach (var input in inputs)
        {
            var (name, datatype) = ((string?)input?["name"] ?? "", (string?)input?["datatype"] ?? "");
            long[] shape = [.. (input?["shape"] as JsonArray ?? []).Select(size => (long?)size ?? -1)];
            if (rows > 1 && (shape.Length == 0 || shape[0] >= 0)) throw new LoadException($"The input '{name}' takes no rows: its shape is [{string.Join(", ", shape)}]. Leave --rows out, or give a request with --data.");
            for (var i = 0; i < shape.Length; i++)
                if (shape[i] < 0) shape[i] = i == 0 ? rows : 1;
            var count = shape.Aggregate(1L, (product, size) => product * size);
            if (count > 10_000_000) throw new LoadException($"The input '{name}' would have {count} values. Give a request with --data.");
            var data = new JsonArray();
            for (var i = 0; i < count; i++) data.Add(Value(datatype, name, random));
            made.Add((JsonNode)new JsonObject { ["name"] = name, ["datatype"] = datatype, ["shape"] = Numbers(shape), ["data"] = data });
        }
        return new JsonObject { ["inputs"] = made };
    }

    /// <summary>A body for Atoll's own route, from the examples that the endpoint's model was registered with.</summary>
    /// <exception cref="LoadException">It takes no rows and no texts.</exception>
    public static RequestBody FromEndpoint(EndpointResponse endpoint, int rows)
    {
        var request = endpoint.Signature?.SampleType switch
        {
            DatasetTypes.Tabular => new JsonObject { ["rows"] = Repeat(() => Row(endpoint.Signature), rows) },
            DatasetTypes.Text => new JsonObject { ["texts"] = Repeat(() => "a text of no meaning, made to measure with", rows) },
            _ => throw new LoadException($"Rows for '{endpoint.Name}' cannot be made up. Give a request with --data, or ask over another --protocol."),
        };
        return new RequestBody(Utf8(request), "application/json", null, rows);

        static JsonObject Row(ModelSignature signature)
        {
            var row = new JsonObject();
            foreach (var input in signature.Inputs) row[input.Name] = ExampleOf(input);
            return row;
        }

        static JsonNode? ExampleOf(TensorSpec input) =>
            input.Example is not { } example ? null
            : input.ColumnType == ColumnTypes.Number && double.TryParse(example, CultureInfo.InvariantCulture, out var number) ? number
            : JsonValue.Create(example);

        static JsonArray Repeat(Func<JsonNode> make, int count) => new([.. Enumerable.Range(0, count).Select(_ => make())]);
    }

    /// <summary>A file as the body of Atoll's own route.</summary>
    /// <exception cref="LoadException">It is no JSON object.</exception>
    public static RequestBody OfPredict(JsonObject request) =>
        new(Utf8(request), "application/json", null, ((request["rows"] ?? request["texts"] ?? request["images"] ?? request["sounds"]) as JsonArray)?.Count ?? 1);

    private static byte[] Utf8(JsonNode node) => Encoding.UTF8.GetBytes(node.ToJsonString());

    private static JsonArray Numbers(IEnumerable<long> values) => new([.. values.Select(value => (JsonNode)value)]);

    private static JsonNode Value(string datatype, string input, Random random) => datatype switch
    {
        "BOOL" => random.Next(2) == 1,
        "BYTES" => "a",
        "FP32" or "FP64" or "FP16" or "BF16" => Math.Round(random.NextDouble(), 4),
        _ when Tensor.SizeOf(datatype) > 0 => random.Next(10),
        _ => throw new LoadException($"The input '{input}' has the datatype '{datatype}', for which no values can be made up. Give a request with --data."),
    };

    /// <summary>An input with its values as bytes.</summary>
    private sealed record Tensor(string Name, string Datatype, long[] Shape, byte[] Bytes)
    {
        public static int SizeOf(string datatype) => datatype switch
        {
            "BOOL" or "INT8" or "UINT8" => 1,
            "INT16" or "UINT16" or "FP16" or "BF16" => 2,
            "INT32" or "UINT32" or "FP32" => 4,
            "INT64" or "UINT64" or "FP64" => 8,
            _ => 0,
        };

        public static Tensor Read(JsonNode? node)
        {
            try
            {
                var input = node!.AsObject();
                var datatype = (string)input["datatype"]!;
                var bytes = new List<byte>();
                Append(bytes, datatype, input["data"]!);
                return new Tensor((string)input["name"]!, datatype, [.. input["shape"]!.AsArray().Select(size => (long)size!)], [.. bytes]);
            }
            catch (Exception problem) when (problem is NullReferenceException or InvalidOperationException or FormatException or OverflowException or ArgumentException)
            {
                throw new LoadException("An input of the data is not {\"name\", \"datatype\", \"shape\", \"data\"} with values of its datatype.");
            }
        }

        private static void Append(List<byte> bytes, string datatype, JsonNode data)
        {
            if (data is JsonArray nested)
            {
                foreach (var inner in nested) Append(bytes, datatype, inner!);
                return;
            }
            if (datatype == "BYTES")
            {
                var text = Encoding.UTF8.GetBytes((string)data!);
                var length = new byte[4];
                BinaryPrimitives.WriteInt32LittleEndian(length, text.Length);
                bytes.AddRange(length);
                bytes.AddRange(text);
                return;
            }
            Span<byte> value = stackalloc byte[8];
            var number = data.GetValueKind() is JsonValueKind.True or JsonValueKind.False ? (bool)data ? "1" : "0" : data.ToJsonString();
            switch (datatype)
            {
                case "FP16":
                    BinaryPrimitives.WriteHalfLittleEndian(value, Half.Parse(number, CultureInfo.InvariantCulture));
                    break;
                case "BF16":
                    BinaryPrimitives.WriteUInt16LittleEndian(value, (ushort)(BitConverter.SingleToUInt32Bits(float.Parse(number, CultureInfo.InvariantCulture)) >> 16));
                    break;
                case "FP32":
                    BinaryPrimitives.WriteSingleLittleEndian(value, float.Parse(number, CultureInfo.InvariantCulture));
                    break;
                case "FP64":
                    BinaryPrimitives.WriteDoubleLittleEndian(value, double.Parse(number, CultureInfo.InvariantCulture));
                    break;
                case "UINT64":
                    BinaryPrimitives.WriteUInt64LittleEndian(value, ulong.Parse(number, CultureInfo.InvariantCulture));
                    break;
                default:
                    BinaryPrimitives.WriteInt64LittleEndian(value, long.Parse(number, CultureInfo.InvariantCulture));
                    break;
            }
            var size = SizeOf(datatype);
            if (size == 0) throw new FormatException();
            bytes.AddRange(value[..size]);
        }
    }
}
