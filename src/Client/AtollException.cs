using System.Net;

namespace Atoll.Client;

/// <summary>The server refused a request; the members say why and what to do.</summary>
/// <param name="status">HTTP status code.</param>
/// <param name="code">What went wrong: one of <see cref="Contracts.ProblemCodes"/>, or <see cref="UnexpectedAnswer"/>.</param>
/// <param name="detail">What is wrong, with its place.</param>
/// <param name="remedy">What to do about it.</param>
/// <param name="field">The field of the request that is wrong.</param>
/// <param name="document">The whole problem document as JSON, when the server sent one.</param>
public sealed class AtollException(
    HttpStatusCode status, string code, string detail, string? remedy = null, string? field = null, string? document = null)
    : Exception(remedy is null ? detail : $"{detail} {remedy}")
{
    /// <summary>Code for an answer that is not Atoll's, such as a proxy's error page.</summary>
    public const string UnexpectedAnswer = "unexpected-answer";

    /// <summary>HTTP status code.</summary>
    public HttpStatusCode Status { get; } = status;

    /// <summary>What went wrong: one of <see cref="Contracts.ProblemCodes"/>, or <see cref="UnexpectedAnswer"/>.</summary>
    public string Code { get; } = code;

    /// <summary>What is wrong, with its place.</summary>
    public string Detail { get; } = detail;

    /// <summary>What to do about it.</summary>
    public string? Remedy { get; } = remedy;

    /// <summary>The field of the request that is wrong.</summary>
    public string? Field { get; } = field;

    /// <summary>The whole problem document as JSON, when the server sent one.</summary>
    public string? Document { get; } = document;
}

/// <summary>No answer came: nothing listens at the address, or the connection broke, or it took too long.</summary>
/// <param name="server">The address that was tried.</param>
/// <param name="reason">What happened.</param>
/// <param name="inner">The failure beneath.</param>
public sealed class AtollUnreachableException(Uri server, string reason, Exception? inner = null)
    : Exception($"The server {server.GetLeftPart(UriPartial.Authority)} cannot be reached: {reason}", inner)
{
    /// <summary>The address that was tried.</summary>
    public Uri Server { get; } = server;
}
