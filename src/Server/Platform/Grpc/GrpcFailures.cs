using Atoll.Contracts;
using Atoll.Platform.Http;

namespace Atoll.Platform.Grpc;

/// <summary>How calls fail before their handler sees a message.</summary>
internal static class GrpcFailures
{
    public static Problem NeedsHttp2() => new(426, ProblemCodes.UnsupportedMediaType, "gRPC needs HTTP/2.", "Connect without a proxy that speaks HTTP/1.1 only.");

    public static RpcException TooLarge(long bytesMax) => new(new Status(
        StatusCode.ResourceExhausted, bytesMax == GrpcMethod.AnybodysBytesMax
            ? $"A message is larger than {bytesMax} bytes, the most that a method for anybody takes."
            : $"A message is larger than {bytesMax} bytes. Send less, or raise the setting 'Atoll:RequestBytesMax'."));

    public static RpcException AnswerTooLarge(long bytes) => new(new Status(
        StatusCode.ResourceExhausted, $"The answer of {bytes} bytes is larger than a message can be. Ask for less."));

    public static RpcException Malformed(string what) => new(new Status(StatusCode.InvalidArgument, $"A message cannot be read: {what}"));

    public static RpcException Incomplete() => new(new Status(StatusCode.Internal, "The request ended in the middle of a message."));

    public static RpcException NoMessage() => new(new Status(StatusCode.Internal, "The request has no message."));

    public static RpcException SecondMessage() => new(new Status(StatusCode.Internal, "The request has more than the one message that this method takes."));

    public static RpcException UnknownFlag(byte flag) => new(new Status(StatusCode.Internal, $"A message begins with the unknown flag {flag}."));

    public static RpcException NotCompressed() => new(new Status(StatusCode.Internal, "A message says that it is compressed, but the header 'grpc-encoding' is missing."));

    public static RpcException UnknownEncoding(string encoding) => new(new Status(
        StatusCode.Unimplemented, $"The compression '{encoding}' is not supported. Use one of {MessageCompression.Accepted}."));
}
