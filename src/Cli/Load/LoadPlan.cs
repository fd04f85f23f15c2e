namespace Atoll.Cli.Load;

/// <summary>How predictions are asked for.</summary>
internal enum LoadProtocol
{
    /// <summary>Open Inference Protocol, tensors as JSON.</summary>
    Rest,

    /// <summary>Open Inference Protocol, binary tensors behind the JSON.</summary>
    Binary,

    /// <summary>Open Inference Protocol over gRPC.</summary>
    Grpc,

    /// <summary>Atoll's own route for predictions.</summary>
    Predict,
}

/// <summary>What a load is: to whom, what, how much and how long.</summary>
internal sealed record LoadPlan
{
    /// <summary>Address of the server, without TLS.</summary>
    public required Uri Server { get; init; }

    public required LoadProtocol Protocol { get; init; }

    /// <summary>HTTP/2 with prior knowledge instead of HTTP/1.1.</summary>
    public bool IsHttp2 { get; init; }

    /// <summary>What is sent to every model.</summary>
    public required RequestBody Body { get; init; }

    /// <summary>Names of the models, or of the endpoints.</summary>
    public required IReadOnlyList<string> Models { get; init; }

    /// <summary>A credential of each tenant; null for none.</summary>
    public required IReadOnlyList<string?> Credentials { get; init; }

    public int Connections { get; init; } = 1;

    /// <summary>Requests on their way at the same time, over all connections.</summary>
    public int InFlight { get; init; } = 1;

    /// <summary>Requests a second that are begun whether or not others are answered (open loop); null begins one for each that ends (closed loop).</summary>
    public double? Rate { get; init; }

    /// <summary>Time that is measured.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>Time before it, with the same load, that is not counted.</summary>
    public TimeSpan Warmup { get; init; }

    /// <summary>Ends the load after so many requests, if its time is not over before.</summary>
    public long RequestsMax { get; init; } = long.MaxValue;

    /// <summary>Exponent of the law by which tenants and models are drawn: the k-th is asked as often as 1/k^exponent; 0 asks all alike.</summary>
    public double Zipf { get; init; }

    /// <summary>Asks model after model in their order instead of drawing them.</summary>
    public bool Sweeps { get; init; }

    /// <summary>Threads that make the load, each with its share of the connections.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>Of what is drawn.</summary>
    public int Seed { get; init; } = 1;
}

/// <summary>The bytes of a request that are the same for every model.</summary>
/// <param name="Bytes">The body; for gRPC the message without the model's name.</param>
/// <param name="ContentType">What it is.</param>
/// <param name="JsonBytes">Length of the JSON in front of binary tensors; null where there are none.</param>
/// <param name="Rows">Predictions in one request.</param>
internal sealed record RequestBody(byte[] Bytes, string ContentType, int? JsonBytes, int Rows);
