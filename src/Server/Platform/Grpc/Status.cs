using Atoll.Platform.Http;

namespace Atoll.Platform.Grpc;

/// <summary>How a call ended; the numbers are those of the wire.</summary>
internal enum StatusCode
{
    OK = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

/// <summary>How a call ended, and what is wrong in words.</summary>
internal readonly record struct Status(StatusCode StatusCode, string Detail)
{
    public static Status DefaultSuccess { get; } = new(StatusCode.OK, "");

    /// <summary>The same refusal as over HTTP.</summary>
    public static Status Of(Problem problem) => new(
        problem.Status switch
        {
            400 or 405 or 415 => StatusCode.InvalidArgument,
            401 => StatusCode.Unauthenticated,
            403 => StatusCode.PermissionDenied,
            404 => StatusCode.NotFound,
            408 or 504 => StatusCode.DeadlineExceeded,
            409 => StatusCode.Aborted,
            413 or 429 => StatusCode.ResourceExhausted,
            501 => StatusCode.Unimplemented,
            503 => StatusCode.Unavailable,
            _ => StatusCode.Internal,
        },
        problem.Remedy is null ? problem.Detail : $"{problem.Detail} {problem.Remedy}");
}

/// <summary>Ends a call with a status.</summary>
internal sealed class RpcException(Status status) : Exception(status.Detail)
{
    public RpcException(Problem problem) : this(Status.Of(problem)) => RetryAfter = problem.RetryAfter;

    public Status Status => status;

    /// <summary>When it is worth another try, for refusals that pass by themselves.</summary>
    public TimeSpan? RetryAfter { get; }
}
