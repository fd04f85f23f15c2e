using System.Globalization;
using Atoll.Contracts;
using Microsoft.AspNetCore.Http.HttpResults;

namespace Atoll.Platform.Http;

/// <summary>A refusal that the caller can act upon, as a value. On the wire it is an RFC 9457 problem document.</summary>
/// <param name="Status">HTTP status code.</param>
/// <param name="Code">A constant of <see cref="ProblemCodes"/>; it never changes, unlike the texts.</param>
/// <param name="Detail">What is wrong, with its place.</param>
/// <param name="Remedy">What to do about it.</param>
internal sealed record Problem(int Status, string Code, string Detail, string? Remedy = null)
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    /// <summary>The field of the request that is wrong, if it is one.</summary>
    public string? Field { get; init; }

    /// <summary>Further members of the document.</summary>
    public IReadOnlyDictionary<string, object?>? Extensions { get; init; }

    /// <summary>When it is worth another try. Refusals that pass by themselves, 429 and 503, always say so.</summary>
    public TimeSpan? RetryAfter
    {
        get => field ?? (Status is 429 or 503 ? Soon : null);
        init;
    }

    /// <summary>The answer of a handler, with <see cref="RetryAfter"/> among its headers.</summary>
    public ProblemHttpResult ToResult(HttpResponse response)
    {
        WriteHeaders(response);
        return ToResult();
    }

    public void WriteHeaders(HttpResponse response)
    {
        if (RetryAfter is { } wait) response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
    }

    public ProblemHttpResult ToResult()
    {
        var extensions = new Dictionary<string, object?> { ["code"] = Code };
        if (Remedy is not null) extensions["remedy"] = Remedy;
        if (Field is not null) extensions["field"] = Field;
        foreach (var (key, value) in Extensions ?? new Dictionary<string, object?>()) extensions[key] = value;
        return TypedResults.Problem(
            detail: Remedy is null ? Detail : $"{Detail} {Remedy}", statusCode: Status, title: Code.Replace('-', ' '),
            type: $"/problems/{Code}", extensions: extensions);
    }
}

/// <summary>A value, or the reason why there is none; between modules.</summary>
internal readonly record struct Outcome<T>(T? Value, Problem? Problem)
    where T : class
{
    public static implicit operator Outcome<T>(T value) => new(value, null);

    public static implicit operator Outcome<T>(Problem problem) => new(null, problem);
}
